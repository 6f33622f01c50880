// A WebSocket server that answers each message with itself, of any size, but for two texts:
// "head" is answered with what the upgrade was, "close" with a close frame of 4001 and a reason.
'use strict'
const { WebSocketServer } = require('ws')

const port = Number(process.argv[2])
const server = new WebSocketServer({ host: '127.0.0.1', port, maxPayload: 0, perMessageDeflate: true })
server.on('connection', (socket, request) => {
  socket.on('error', (error) => console.error(error.message))
  socket.on('message', (message, isBinary) => {
    const text = isBinary ? '' : message.toString()
    if (text === 'head') {
      socket.send(JSON.stringify({ target: request.url, headers: request.headers }))
    } else if (text === 'close') {
      socket.close(4001, 'enough for today')
    } else {
      socket.send(message, { binary: isBinary })
    }
  })
})
server.on('listening', () => console.log('listening'))

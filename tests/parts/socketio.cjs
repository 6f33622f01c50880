// Socket.IO as it comes: its server, and its client, which begins with long polling and then upgrades to a WebSocket.
//
//   node socketio.cjs serve PORT NAME       answers each `who` with NAME
//   node socketio.cjs clients URL COUNT     connects COUNT clients at once; prints a line for each: who answered, or what failed
'use strict'
const http = require('http')

const path = '/m/socket.io/'
const [mode, where, what] = process.argv.slice(2)

function serve (port, name) {
  const { Server } = require('socket.io')
  const server = http.createServer()
  new Server(server, { path }).on('connection', (socket) => {
    socket.on('who', (answer) => answer(name))
  })
  server.listen(port, '127.0.0.1')
}

// Node keeps cookies only if it is asked to, as browsers do without being asked. Each client has an address of its own.
function connect (url, number) {
  const { io } = require('socket.io-client')
  return new Promise((resolve) => {
    const extraHeaders = { 'x-forwarded-for': `198.51.100.${number + 1}` }
    const socket = io(url, { path, forceNew: true, reconnection: false, withCredentials: true, extraHeaders })
    const finish = (result) => {
      resolve(result)
      socket.close()
    }
    socket.on('connect_error', (error) => finish(`failed: ${error.message}`))
    socket.io.once('close', (reason) => finish(`lost: ${reason}`))
    const ask = () => socket.emit('who', (name) => finish(name))
    socket.on('connect', () => {
      const { engine } = socket.io
      if (engine.transport.name === 'websocket') ask()
      else engine.on('upgrade', ask)
    })
    setTimeout(() => finish('failed: it takes too long'), 15000).unref()
  })
}

if (mode === 'serve') {
  serve(Number(where), what)
} else {
  const clients = Array.from({ length: Number(what) }, (_, number) => connect(where, number))
  Promise.all(clients).then((results) => {
    results.forEach((result) => console.log(result))
    process.exit()
  })
}

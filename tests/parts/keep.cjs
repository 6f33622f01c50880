// Node's own HTTP server with its defaults, of which one closes connections that were idle for 5 s: it answers each request with
// its own body.
const http = require('http')

http
  .createServer((request, response) => {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => response.end(Buffer.concat(pieces)))
  })
  .listen(Number(process.argv[2]), '127.0.0.1')

// A web application with logins of the kind that Windows' servers have: NTLM, which logs a connection in. It says to each
// request who it believes has sent it. A path that ends in /open asks for no login.
'use strict'
const express = require('express')
const ntlm = require('express-ntlm')

const port = Number(process.argv[2])
const app = express()
const whoami = (request, response) => {
  const user = request.socket.ntlm && request.socket.ntlm.UserName
  response.send(`you are ${user || 'nobody'}`)
}
app.use((request, response, next) => (request.path.endsWith('/open') ? whoami(request, response) : next()))
app.use(ntlm())
app.use((request, response) => response.send(`you are ${request.ntlm.UserName}`))
app.listen(port, '127.0.0.1', () => console.log('listening'))

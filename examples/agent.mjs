// An agent in JavaScript: serves http://127.0.0.1:BACKEND_PORT through a plugboard, by section 18 of PROTOCOL.md.
// npm install ws
// read -rs TELEPHONE_TOKEN && export TELEPHONE_TOKEN
// PLUGBOARD_URL=ws://127.0.0.1:4000/.well-known/telephone MOUNT_PATH=/api BACKEND_PORT=3000 node agent.mjs
// SIGTERM and Ctrl-C let the requests in progress finish, for at most 30 s.
import http from 'node:http'
import WebSocket from 'ws'

const { PLUGBOARD_URL, TELEPHONE_TOKEN, MOUNT_PATH, BACKEND_PORT, INSTANCE = 'javascript' } = process.env
const FLOOR = 65536, PIECE = 16384 // Octets that may come unasked on a stream, octets in one frame.
const settings = { streams: Number.MAX_SAFE_INTEGER, stream_floor: FLOOR }
const identity = { instance: INSTANCE, epoch: Date.now(), agent: 'agent.mjs' }
const auth = { token: TELEPHONE_TOKEN, mounts: MOUNT_PATH.split(','), ...identity, settings }
const own = /^(content-length|transfer-encoding|connection|keep-alive|proxy-connection|te|trailer|upgrade)$/i
const fields = (flat) => flat.flatMap((name, at) => (at % 2 || own.test(name) ? [] : [[name, flat[at + 1]]]))

/** Whether a plugboard may open this: a mount that was registered, and a target at its path or below it. */
function mayOpen({ mount, target }) {
  const base = mount.includes('/') ? mount.slice(mount.indexOf('/')).replace(/\/$/, '') : ''
  const [path] = target.split('?')
  return auth.mounts.includes(mount) && (`${path}/`.startsWith(`${base}/`) || (path === '*' && base === ''))
}

/** Brings one request to the backend: what the plugboard says of its stream goes to the handlers that come back. */
function exchange(request, send, forget) {
  let limit = request.grant, sent = 0, taken = 0, told = 0, isOver = false, raised = () => {}
  const framing = request.end ? [] : ['Transfer-Encoding', 'chunked']
  const headers = [...request.headers.flat(), ...('length' in request ? ['Content-Length', `${request.length}`] : framing)]
  const backend = http.request({ port: BACKEND_PORT, method: request.method, path: request.target, headers, agent: false })
  backend.on('response', (answer) => respond(answer).catch(() => finish('error', 'truncated')))
  backend.on('error', ({ code }) => finish('error', code === 'ECONNREFUSED' ? 'unreachable' : 'backendfailed'))
  if (request.end) backend.end()
  const finish = (type, code) => {
    if (!isOver) send(type, { code, touched: code === 'unreachable' ? 'no' : 'unknown' })
    raised((isOver = true))
    forget(backend.destroy())
  }
  const respond = async (answer) => {
    const { statusCode: status, statusMessage: reason, headers: { 'content-length': length } } = answer
    const end = request.method === 'HEAD' || status === 204 || status === 304
    send('http_response', { status, reason, headers: fields(answer.rawHeaders), length: length && Number(length), end })
    for await (let rest of answer) {
      while (rest.length > 0 && !isOver) {
        if (sent === limit) await new Promise((resolve) => (raised = resolve))
        const piece = rest.subarray(0, Math.min(PIECE, limit - sent))
        if (piece.length > 0 && !isOver) send('data', { base64: piece.toString('base64') })
        sent += piece.length
        rest = rest.subarray(piece.length)
      }
    }
    if (!end && !isOver) send('end', {})
    if (!backend.writableEnded) return finish('stop', 'cancelled') // An early answer: the rest of the upload is of no use.
    isOver = true
    forget()
  }
  const take = (count) => {
    taken += count // By the backend: more may come. Smaller raises would be frames that move nothing.
    if (taken - told >= FLOOR / 2 && !isOver) send('credit', { limit: (told = taken) + FLOOR })
  }
  return {
    data: ({ base64 }, octets = Buffer.from(base64, 'base64')) => backend.write(octets, () => take(octets.length)),
    end: () => backend.end(),
    credit: (data) => raised((limit = data.limit)),
    stop: () => finish('error', 'stopped'),
    error: () => finish('error', 'cancelled'),
  }
}

let leave = () => process.exit(0)
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => leave())

function connect(delay) {
  let last = 0, isLeaving = false
  const link = new WebSocket(PLUGBOARD_URL, 'telephone.v1.json', { perMessageDeflate: false })
  const streams = new Map()
  const send = (type, data) => link.readyState === WebSocket.OPEN && link.send(JSON.stringify({ type, data }))
  const forget = (stream) => streams.delete(stream) && settle()
  const settle = () => isLeaving && streams.size === 0 && link.close()
  leave = () => {
    if (link.readyState !== WebSocket.OPEN) process.exit(0)
    send('leave', { code: 'draining', last })
    settle((isLeaving = true))
    setTimeout(() => process.exit(1), 30000)
  }
  link.on('open', () => send('auth', auth))
  link.on('message', (text) => {
    const { type, data = {} } = JSON.parse(text), stream = data.stream
    if (type.startsWith('auth')) console.log(type === 'auth_success' ? 'connected' : `refused: ${data.reason}`)
    if (type === 'auth_success') delay = 1000
    if (type === 'ping') send('pong', data)
    if (type !== 'http_request') return streams.get(stream)?.[type]?.(data)
    if (!mayOpen(data)) return send('error', { stream, code: 'denied', touched: 'no' })
    last = Math.max(last, stream)
    streams.set(stream, exchange(data, (type, rest) => send(type, { stream, ...rest }), () => forget(stream)))
  })
  link.on('error', (error) => console.error(`the link is lost: ${error.message}`))
  link.on('close', () => {
    if (isLeaving) process.exit(0)
    for (const stream of streams.values()) stream.error()
    setTimeout(connect, Math.random() * delay, Math.min(delay * 2, 30000))
  })
}
connect(1000)

// Yjs clients: yjs.cjs SCENARIO SERVER DOCUMENT ROOM [NUMBER], where an empty ROOM means no room parameter.
'use strict'
const { createHash } = require('node:crypto')
const WebSocket = require('ws')
const { WebsocketProvider } = require('y-websocket')
const Y = require('yjs')

const [scenario, server, document, room, number] = process.argv.slice(2)
const MIB = 1024 * 1024

function join () {
  const doc = new Y.Doc()
  const options = { WebSocketPolyfill: WebSocket, disableBc: true, params: room === '' ? {} : { room } }
  const provider = new WebsocketProvider(server, document, doc, options)
  provider.on('connection-close', (event) => console.log(`closed ${event.code} ${event.reason}`))
  return { doc, provider, text: doc.getText('text') }
}

// Resolves when `condition` holds, looked at after each change of `doc`.
function until (doc, condition) {
  return new Promise((resolve) => {
    const look = () => {
      if (!condition()) return
      doc.off('update', look)
      resolve()
    }
    doc.on('update', look)
    look()
  })
}

const synced = ({ provider }) => new Promise((resolve) => {
  if (provider.synced) resolve()
  else provider.once('sync', resolve)
})

async function pair () {
  const [ann, bob] = [join(), join()]
  await Promise.all([synced(ann), synced(bob)])
  return [ann, bob]
}

async function merged (ann, bob, parts) {
  const isMerged = () => ann.text.toString() === bob.text.toString() &&
    parts.every((part) => ann.text.toString().includes(part))
  await Promise.race([until(ann.doc, isMerged), until(bob.doc, isMerged)])
}

const scenarios = {
  // Two clients converge; says how long one update takes from one to the other.
  async converge () {
    const [ann, bob] = await pair()
    const [times, begun] = [[], bob.text.length]
    for (let update = 0; update < Number(number); update++) {
      const seen = until(bob.doc, () => bob.text.length > begun + update)
      const start = process.hrtime.bigint()
      ann.text.insert(begun + update, 'x')
      await seen
      times.push(Number(process.hrtime.bigint() - start))
    }
    ann.text.insert(0, 'from ann ')
    bob.text.insert(bob.text.length, ' from bob')
    await merged(ann, bob, ['from ann ', ' from bob'])
    times.sort((a, b) => a - b)
    console.log(`converged, median ${Math.round(times[times.length >> 1] / 1000)} us`)
  },

  // Two clients that go on while nobody carries their edits, from SIGUSR2 on, and merge afterwards.
  async offline () {
    const [ann, bob] = await pair()
    ann.text.insert(0, 'begun ')
    await merged(ann, bob, ['begun '])
    const cut = new Promise((resolve) => process.once('SIGUSR2', resolve))
    console.log('converged')
    await cut
    ann.text.insert(ann.text.length, 'ann offline ')
    bob.text.insert(bob.text.length, 'bob offline ')
    console.log('edited')
    await merged(ann, bob, ['begun ', 'ann offline ', 'bob offline '])
    console.log('merged')
  },

  // One client brings a document of so many MiB, another one gets it.
  async large () {
    const digest = (doc) => {
      const hash = createHash('sha256')
      for (const piece of doc.getArray('pieces')) hash.update(piece)
      return hash.digest('hex')
    }
    const ann = join()
    for (let piece = 0; piece < Number(number); piece++) {
      ann.doc.getArray('pieces').push([new Uint8Array(MIB).fill(piece + 1)])
    }
    await synced(ann)
    const bob = join()
    await until(bob.doc, () => bob.doc.getArray('pieces').length === Number(number))
    if (digest(ann.doc) !== digest(bob.doc)) throw new Error('the documents differ')
    console.log('synced')
  },

  // So many clients each say one thing, and each hears all.
  async crowd () {
    const clients = Array.from({ length: Number(number) }, join)
    await Promise.all(clients.map(synced))
    console.log('all are here')
    clients.forEach(({ doc }, index) => doc.getMap('said').set(String(index), index))
    await Promise.all(clients.map(({ doc }) => until(doc, () => doc.getMap('said').size === clients.length)))
    console.log('all have heard all')
  }
}

// Each provider listens for the end of the process.
process.setMaxListeners(0)
scenarios[scenario]().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})

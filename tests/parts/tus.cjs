// Resumable uploads: `serve PORT DIRECTORY` is a server of tus below /files, which names uploads by the URL that it believes to
// be its own; `upload URL BYTES CA` uploads so many bytes in pieces and prints where they went.
'use strict'

function serve(port, directory) {
  const { Server } = require('@tus/server')
  const { FileStore } = require('@tus/file-store')
  const server = new Server({ path: '/m/files', datastore: new FileStore({ directory }), respectForwardedHeaders: true })
  server.listen({ host: '127.0.0.1', port: Number(port) }, () => console.log('listening'))
}

function upload(endpoint, bytes) {
  const tus = require('tus-js-client')
  const upload = new tus.Upload(Buffer.alloc(Number(bytes), 'x'), {
    endpoint,
    chunkSize: Math.ceil(Number(bytes) / 4),
    retryDelays: null,
    onError: (error) => {
      console.error(error.message)
      process.exit(1)
    },
    onSuccess: () => console.log(upload.url),
  })
  upload.start()
}

const [task, ...rest] = process.argv.slice(2)
const run = { serve, upload }[task]
run(...rest)

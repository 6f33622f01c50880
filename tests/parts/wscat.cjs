// wscat with these arguments and an input that stays open: it leaves when its input ends.
'use strict'
const { spawn } = require('node:child_process')

const wscat = [require.resolve('wscat/bin/wscat'), ...process.argv.slice(2)]
const child = spawn(process.execPath, wscat, { stdio: ['pipe', 'inherit', 'inherit'] })
child.on('exit', (code) => process.exit(code ?? 1))

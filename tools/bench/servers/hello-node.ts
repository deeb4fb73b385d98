import { createServer } from 'node:http';

// The floor: what node:http itself costs.
createServer((_req, res) => res.end('{"hello":"world"}')).listen(Number(process.argv[2]), '127.0.0.1');

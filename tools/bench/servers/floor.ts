import { createServer } from 'node:http';

// The floor of a token: node:http reads the same POST and writes a response of the same size, which the path says.
const bodies = new Map<string, string>();

function bodyFor(path: string): string {
  const known = bodies.get(path) ?? JSON.stringify({ access_token: 'x'.repeat(Number(path.slice(1))) });
  bodies.set(path, known);
  return known;
}

createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = bodyFor(req.url ?? '');
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    res.end(body, 'latin1');
  });
}).listen(Number(process.argv[2]), '127.0.0.1');

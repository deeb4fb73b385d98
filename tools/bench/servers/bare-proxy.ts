import { Agent, createServer, request } from 'node:http';

// The floor of everything that stands in front of an app: node:http passing requests on, connections kept.
const agent = new Agent({ keepAlive: true });
const target = new URL(String(process.argv[3]));
createServer((req, res) => {
  const { method, url: path, headers } = req;
  const outgoing = request({ host: target.hostname, port: target.port, agent, method, path, headers }, (response) => {
    res.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(res);
  });
  outgoing.on('error', () => res.destroy());
  req.pipe(outgoing);
}).listen(Number(process.argv[2]), '127.0.0.1');

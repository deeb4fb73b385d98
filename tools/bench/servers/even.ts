import { createServer } from 'node:http';

// Latencies that everybody must measure alike: 20 to 120 ms, each of 101 as often as any other, in no order.
let number = 0;
createServer((req, res) => {
  req.resume();
  number += 1;
  setTimeout(() => res.end('{"hello":"world"}'), 20 + ((number * 37) % 101));
}).listen(Number(process.argv[2]), '127.0.0.1');

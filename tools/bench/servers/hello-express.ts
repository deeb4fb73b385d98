import express from 'express';

// The floor of everybody who uses Express.
const app = express();
app.get('/', (_req, res) => void res.send('{"hello":"world"}'));
app.listen(Number(process.argv[2]), '127.0.0.1');

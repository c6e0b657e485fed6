// One datagram at a time. usage: length.mjs BUFFER
import { createSocket } from 'node:dgram';

const size = Number(process.argv[2]);
const socket = createSocket({ type: 'udp4', recvBufferSize: size, sendBufferSize: size });
socket.on('message', (data, peer) => {
  socket.send(`Your data was ${data.length} bytes long`, peer.port, peer.address);
});
socket.bind(0, '127.0.0.1', () => {
  console.log(`Listening at ('127.0.0.1', ${socket.address().port})`);
});

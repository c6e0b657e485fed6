// Answers how many datagrams it has seen, this one included. To build it in this folder:
// asc counter.ts -O3 --noAssert --runtime incremental --use abort= -o counter.wasm

import { Reply, Request, serve } from "../../../wasmhandler/guest/sdk/assemblyscript/retort";
export { retort_v1_reply, retort_v1_window } from "../../../wasmhandler/guest/sdk/assemblyscript/retort";

// Each worker of a server has an instance of its own, and so a count of its own.
let seen: u64 = 0;

serve((request: Request, reply: Reply): i32 => {
  reply.decimal(++seen);
  return reply.end();
});

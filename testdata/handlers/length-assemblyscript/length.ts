// Answers each datagram with how long it was. To build it in this folder:
// asc length.ts -O3 --noAssert --runtime incremental --use abort= -o length.wasm

import { Reply, Request, serve } from "../../../wasmhandler/guest/sdk/assemblyscript/retort";
export { retort_v1_reply, retort_v1_window } from "../../../wasmhandler/guest/sdk/assemblyscript/retort";

serve((request: Request, reply: Reply): i32 => {
  reply.text("Your data was ");
  reply.decimal(request.length);
  reply.text(" bytes long");
  return reply.end();
});

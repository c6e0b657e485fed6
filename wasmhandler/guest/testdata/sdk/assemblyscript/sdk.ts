// A guest that uses all of retort.ts; sdk_test.go knows what it must answer.
import {
  Bytes, Level, MALFORMED, Reply, Request, SILENCE, classify, configure, idle, log, serve,
} from "../../../sdk/assemblyscript/retort";
export {
  retort_v1_configure, retort_v1_idle, retort_v1_is_response, retort_v1_reply, retort_v1_window,
} from "../../../sdk/assemblyscript/retort";

let idles: u64 = 0;

configure((config: Bytes): i32 => (config.is("good") ? 0 : 7));

idle((): void => {
  idles++;
});

classify((request: Request): bool => request.startsWith("R") && request.meta.size == 64);

serve((request: Request, reply: Reply): i32 => {
  const meta = request.meta;
  if (request.length == 0) return SILENCE;
  switch (request.at(0)) {
    case 0x62: // b: bytes, with a 0 among them
      reply.text("a");
      reply.byte(0);
      reply.text("b");
      break;
    case 0x64: // d: decimals
      reply.decimal(0);
      reply.text(" ");
      reply.decimal(u64.MAX_VALUE);
      break;
    case 0x68: // h: by hand
      if (reply.room < 2) return -150;
      store<u8>(reply.data, 0x68);
      store<u8>(reply.data + 1, 0x69);
      return 2;
    case 0x69: // i
      reply.decimal(idles);
      break;
    case 0x6c: // l
      log(Level.Warn, "a warning from the guest");
      break;
    case 0x6d: // m
      return MALFORMED;
    case 0x70: // p: what does not fit is not put, and neither is what comes after it
      reply.text("too long for 12");
      reply.text("ok");
      break;
    case 0x74: // t
      reply.decimal(meta.timeNs);
      reply.text(" ");
      reply.decimal(meta.localPort);
      reply.text(" ");
      reply.decimal(meta.peerPort);
      reply.text(" ");
      reply.put(meta.localAddr + 12, 4);
      reply.put(meta.peerAddr + 12, 4);
      reply.text(" ");
      reply.decimal(meta.family);
      reply.text(" ");
      reply.decimal(meta.zone);
      break;
    case 0x75: // u
      reply.text("Grüße 😀");
      break;
    case 0x21: // !
      request.at(request.length);
      break;
    default:
      reply.put(request.data, request.length);
  }
  return reply.end();
});

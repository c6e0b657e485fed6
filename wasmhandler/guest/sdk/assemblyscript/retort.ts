/**
 * retort.ts: a datagram handler in AssemblyScript, as a WebAssembly module of Retort's handler ABI, version 1.
 *
 * A guest gives `serve` the function that answers, and exports what the host calls:
 *
 *     import { Reply, Request, serve } from "./retort";
 *     export { retort_v1_reply, retort_v1_window } from "./retort";
 *
 *     serve((request: Request, reply: Reply): i32 => {
 *       reply.text("Your data was ");
 *       reply.decimal(request.length);
 *       reply.text(" bytes long");
 *       return reply.end();
 *     });
 *
 * It is built by
 *
 *     asc length.ts -O3 --noAssert --runtime incremental --use abort= -o length.wasm
 *
 * `configure`, `idle` and `classify` take the optional functions. Whoever uses one exports what is named beside
 * it, too: hosts go by a module's exports.
 *
 * Nothing here allocates. A handler that makes strings, arrays or objects as it answers may, for the runtime
 * "incremental" has a garbage collector; it costs fuel and time whenever something is made. The runtimes "stub"
 * and "minimal" never give memory back by themselves. Global variables keep their values from one datagram to the
 * next.
 */

/** Send nothing. */
export const SILENCE: i32 = -1;

/** The request is not of the protocol: send nothing, and count it apart. */
export const MALFORMED: i32 = -2;

/**
 * The reply is longer than its room: what `end` returns then. -100 and below are a handler's own codes, which hosts
 * count one by one.
 */
export const OVERSIZE: i32 = -102;

/** How much a log line matters. */
export enum Level {
  Debug = -4,
  Info = 0,
  Warn = 4,
  Error = 8,
}

/** What there is to know of a datagram beside its payload. The host writes it; later versions only append. */
@unmanaged
export class Meta {
  /** Of this block, in bytes: at least 64. */
  readonly size: u16;
  /** 4 or 6. */
  readonly family: u8;
  /** Reserved, 0. */
  readonly flags: u8;
  readonly peerPort: u16;
  readonly localPort: u16;
  /** Arrival, in nanoseconds since the Unix epoch. */
  readonly timeNs: u64;

  /** The peer's address, 16 bytes; IPv4 as IPv4-mapped IPv6, so that its own are the last 4. */
  get peerAddr(): usize {
    return changetype<usize>(this) + 16;
  }

  /** The address that was asked, in the same form. */
  get localAddr(): usize {
    return changetype<usize>(this) + 32;
  }

  /** The IPv6 scope id of the peer, 0 if there is none. */
  get zone(): u32 {
    return load<u32>(changetype<usize>(this), 48);
  }
}

/** Bytes of the host's. They may be read until the function that was given them returns. */
@unmanaged
export class Bytes {
  /** Where they begin. */
  readonly data: usize;
  readonly length: i32;

  /** The byte at `index`; a trap if there is none. */
  at(index: i32): u8 {
    if (<u32>index >= <u32>this.length) unreachable();
    return load<u8>(this.data + index);
  }

  /** Whether they begin with a text of ASCII characters. */
  startsWith(text: string): bool {
    if (this.length < text.length) return false;
    for (let i = 0; i < text.length; i++) {
      if (load<u8>(this.data + i) != text.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Whether they are a text of ASCII characters. */
  is(text: string): bool {
    return this.length == text.length && this.startsWith(text);
  }
}

/** One datagram: its payload, at most 65,527 bytes, and what else there is to know of it. */
@unmanaged
export class Request extends Bytes {
  readonly meta: Meta;
}

/** Where the reply goes. What does not fit is not put, and neither is what comes after it. */
@unmanaged
export class Reply {
  /** Where its room begins; who writes there by hand returns the number of bytes, instead of `end()`. */
  readonly data: usize;
  /** How many bytes may be sent. */
  readonly room: i32;
  /** How many bytes were put so far. */
  length: i32;
  /** Something did not fit. */
  over: bool;

  /** Appends `n` bytes that lie at `from`. */
  put(from: usize, n: i32): void {
    if (!this.fits(n)) return;
    memory.copy(this.data + this.length, from, n);
    this.length += n;
  }

  /** Appends one byte. */
  byte(value: u8): void {
    if (!this.fits(1)) return;
    store<u8>(this.data + this.length, value);
    this.length += 1;
  }

  /** Appends a text in UTF-8. */
  text(text: string): void {
    const n = String.UTF8.byteLength(text);
    if (!this.fits(n)) return;
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.data + this.length);
    this.length += n;
  }

  /** Appends a number in decimal. */
  decimal(number: u64): void {
    const end = digits + 20;
    let at = end;
    do {
      const tenth = number / 10;
      store<u8>(--at, <u8>(48 + number - tenth * 10)); // "0" is 48
      number = tenth;
    } while (number != 0);
    this.put(at, <i32>(end - at));
  }

  /** What a handler returns for what it put: the length, or `OVERSIZE`. */
  end(): i32 {
    return this.over ? OVERSIZE : this.length;
  }

  private fits(n: i32): bool {
    if (<u32>n > <u32>(this.room - this.length)) this.over = true;
    return !this.over;
  }
}

/**
 * `serve` says what answers datagrams: a function that returns the length of the reply (0 is an empty datagram),
 * `SILENCE`, `MALFORMED`, or a code of its own, -100 or below. A length above `reply.room` is a fault.
 */
export function serve(answer: (request: Request, reply: Reply) => i32): void {
  onReply = answer;
}

/**
 * `configure` says what takes the operator's configuration, before the first datagram: a function that returns 0,
 * or anything else to refuse it. It copies what it keeps: datagrams will lie where the configuration is. Export
 * `retort_v1_configure` with it.
 */
export function configure(take: (config: Bytes) => i32): void {
  onConfigure = take;
}

/** `idle` says what is called when there is no rush. Export `retort_v1_idle` with it. */
export function idle(rest: () => void): void {
  onIdle = rest;
}

/**
 * `classify` says what tells an answer, which is true, from a question. Hosts do not answer answers: that is how
 * two servers keep each other busy for ever. Export `retort_v1_is_response` with it.
 */
export function classify(isResponse: (request: Request) => bool): void {
  onClassify = isResponse;
}

/** Writes one line to the host's log, which cuts it at 1 KiB and drops lines that come too fast. */
export function log(level: Level, text: string): void {
  const n = String.UTF8.encodeUnsafe(changetype<usize>(text), min(text.length, lineUnits), line);
  hostLog(level, line, <i32>n);
}

// -- What the host calls. A guest's own file exports these by their names. --

export function retort_v1_window(size: i32): usize {
  return <u32>size <= WINDOW ? window : 0;
}

export function retort_v1_reply(data: usize, length: i32, out: usize, room: i32, meta: usize): i32 {
  place(data, length, meta);
  store<usize>(reply, out, offsetof<Reply>("data"));
  store<i32>(reply, room, offsetof<Reply>("room"));
  store<i32>(reply, 0, offsetof<Reply>("length"));
  store<bool>(reply, false, offsetof<Reply>("over"));
  return onReply(changetype<Request>(request), changetype<Reply>(reply));
}

export function retort_v1_configure(data: usize, length: i32): i32 {
  place(data, length, 0);
  return onConfigure(changetype<Bytes>(request));
}

export function retort_v1_idle(): void {
  onIdle();
}

export function retort_v1_is_response(data: usize, length: i32, meta: usize): i32 {
  place(data, length, meta);
  return onClassify(changetype<Request>(request)) ? 1 : 0;
}

@external("retort_v1", "log")
declare function hostLog(level: i32, text: usize, length: i32): void;

// A function that was not given is called only by a mistake, and then it traps.
let onReply: (request: Request, reply: Reply) => i32 = (request: Request, reply: Reply): i32 => unreachable();
let onConfigure: (config: Bytes) => i32 = (config: Bytes): i32 => unreachable();
let onIdle: () => void = (): void => unreachable();
let onClassify: (request: Request) => bool = (request: Request): bool => unreachable();

/**
 * How many bytes the host can be given to write requests, replies and the configuration to. A host of version 1
 * asks for what the largest request, the largest reply and a meta block take, or for the length of the
 * configuration when that is more. It is linear memory, which is not touched before it is used.
 */
const WINDOW: u32 = 160 * 1024;

const window = memory.data(160 * 1024, 16);
const request = memory.data(16, 8); // a Request; one for all datagrams, so that none is allocated
const reply = memory.data(16, 8); // likewise
const digits = memory.data(20); // of 2^64 - 1
const lineUnits = 1024; // of UTF-16, each at most 3 bytes in UTF-8
const line = memory.data(3 * 1024);

function place(data: usize, length: i32, meta: usize): void {
  store<usize>(request, data, offsetof<Request>("data"));
  store<i32>(request, length, offsetof<Request>("length"));
  store<usize>(request, meta, offsetof<Request>("meta"));
}

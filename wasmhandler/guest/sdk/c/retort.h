/*
 * retort.h: a datagram handler in C, as a WebAssembly module of Retort's handler ABI, version 1.
 *
 * Include it in the one C file that defines retort_reply:
 *
 *     #include "retort.h"
 *
 *     static int32_t retort_reply(const retort_request *request, retort_out *out)
 *     {
 *         retort_put_text(out, "Your data was ");
 *         retort_put_decimal(out, request->len);
 *         retort_put_text(out, " bytes long");
 *         return retort_end(out);
 *     }
 *
 * It needs C11, clang and wasm-ld, and no C library:
 *
 *     clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all \
 *         -Wl,--stack-first -Wl,-z,stack-size=16384 -I FOLDER-OF-RETORT.H -o length.wasm length.c
 *
 * With the stack first in memory, one that overflows traps instead of writing over the variables.
 *
 * retort_configure, retort_idle and retort_is_response are optional: define one, and the module exports it.
 * Variables keep their values from one datagram to the next. Nothing here allocates.
 */
#ifndef RETORT_H
#define RETORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The results of retort_reply that are no length. */
enum {
	RETORT_SILENCE = -1,   /* send nothing */
	RETORT_MALFORMED = -2, /* the request is not of the protocol: send nothing, and count it apart */

	/* -100 and below are a handler's own codes, which hosts count one by one. This is the one of retort_end: */
	RETORT_OVERSIZE = -102 /* the reply is longer than its room */
};

/* The levels of log lines. */
enum {
	RETORT_DEBUG = -4,
	RETORT_INFO = 0,
	RETORT_WARN = 4,
	RETORT_ERROR = 8
};

/* retort_meta is what there is to know of a datagram beside its payload. Later versions only append. */
typedef struct {
	uint16_t size;          /* of this block, in bytes: at least 64 */
	uint8_t family;         /* 4 or 6 */
	uint8_t flags;          /* reserved, 0 */
	uint16_t peer_port;
	uint16_t local_port;
	uint64_t time_ns;       /* arrival, nanoseconds since the Unix epoch */
	uint8_t peer_addr[16];  /* IPv4 as IPv4-mapped IPv6: the last 4 bytes are the address */
	uint8_t local_addr[16]; /* the address that was asked */
	uint32_t zone;          /* IPv6 scope id of the peer, 0 if none */
	uint8_t reserved[12];   /* 0 */
} retort_meta;

_Static_assert(offsetof(retort_meta, size) == 0, "meta block");
_Static_assert(offsetof(retort_meta, family) == 2, "meta block");
_Static_assert(offsetof(retort_meta, flags) == 3, "meta block");
_Static_assert(offsetof(retort_meta, peer_port) == 4, "meta block");
_Static_assert(offsetof(retort_meta, local_port) == 6, "meta block");
_Static_assert(offsetof(retort_meta, time_ns) == 8, "meta block");
_Static_assert(offsetof(retort_meta, peer_addr) == 16, "meta block");
_Static_assert(offsetof(retort_meta, local_addr) == 32, "meta block");
_Static_assert(offsetof(retort_meta, zone) == 48, "meta block");
_Static_assert(sizeof(retort_meta) == 64, "meta block");

/* retort_request is one datagram. It may be read until the function that was given it returns. */
typedef struct {
	const uint8_t *data;
	uint32_t len; /* at most 65,527 */
	const retort_meta *meta;
} retort_request;

/*
 * retort_out is where the reply goes: cap bytes of room at data. Write there by hand and return the number of
 * bytes, or use the functions retort_put..., which keep count, and return retort_end.
 */
typedef struct {
	uint8_t *data;
	uint32_t cap;
	uint32_t len; /* bytes put so far */
	bool over;    /* something did not fit */
} retort_out;

/* -- What a handler defines -- */

#define RETORT_EXPORT(name) __attribute__((export_name(#name)))

/*
 * retort_reply answers a datagram: it returns the length of the reply in out (0 is an empty datagram), one of
 * the results above, or a code of its own, -100 or below. A length above out->cap is a fault.
 */
static int32_t retort_reply(const retort_request *request, retort_out *out);

/*
 * retort_configure takes the operator's configuration, before the first datagram, and returns 0, or anything
 * else to refuse it. Copy what is needed: datagrams will lie where config is now. Optional.
 */
RETORT_EXPORT(retort_v1_configure) int32_t retort_configure(const uint8_t *config, uint32_t len);

/* retort_idle is called when there is no rush. Optional. */
RETORT_EXPORT(retort_v1_idle) void retort_idle(void);

/*
 * retort_is_response says that a datagram is an answer, not a question, so that hosts do not answer it: that is
 * how two servers keep each other busy for ever. Optional; a module that has it stays silent to all that is not of
 * its protocol.
 */
RETORT_EXPORT(retort_v1_is_response)
int32_t retort_is_response(const uint8_t *data, uint32_t len, const retort_meta *meta);

/* -- What it may use -- */

/*
 * The usual four, for the compiler's own use and yours. A C library's take their place if there is one. Without
 * no_builtin clang could make of their loops a call to the function itself.
 */
#define RETORT_LIBC __attribute__((weak, no_builtin))

/* Numbers that may lie anywhere, in place of bytes of any type. */
typedef uint64_t __attribute__((aligned(1), may_alias)) retort_bytes8;
typedef uint32_t __attribute__((aligned(1), may_alias)) retort_bytes4;
typedef uint16_t __attribute__((aligned(1), may_alias)) retort_bytes2;

RETORT_LIBC void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	for (; n >= 8; n -= 8, t += 8, f += 8)
		*(retort_bytes8 *)t = *(const retort_bytes8 *)f;
	if (n & 4) {
		*(retort_bytes4 *)t = *(const retort_bytes4 *)f;
		t += 4, f += 4;
	}
	if (n & 2) {
		*(retort_bytes2 *)t = *(const retort_bytes2 *)f;
		t += 2, f += 2;
	}
	if (n & 1)
		*t = *f;
	return to;
}

RETORT_LIBC void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;
	if (t < f) {
		for (; n > 0; n--)
			*t++ = *f++;
	} else {
		for (; n > 0; n--)
			t[n - 1] = f[n - 1];
	}
	return to;
}

RETORT_LIBC void *memset(void *to, int value, size_t n)
{
	uint8_t *t = to;
	for (; n > 0; n--)
		*t++ = (uint8_t)value;
	return to;
}

RETORT_LIBC int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

/* retort_put appends n bytes to the reply. Of a length that the compiler knows it makes a few stores. */
static inline void retort_put(retort_out *out, const void *bytes, uint32_t n)
{
	if (out->over || n > out->cap - out->len) {
		out->over = true;
		return;
	}
	__builtin_memcpy(out->data + out->len, bytes, n);
	out->len += n;
}

/* retort_put_byte appends one byte. */
static inline void retort_put_byte(retort_out *out, uint8_t byte) { retort_put(out, &byte, 1); }

/* retort_put_text appends a string without the 0 at its end. */
static inline void retort_put_text(retort_out *out, const char *text)
{
	uint32_t n = 0;
	while (text[n] != 0)
		n++;
	retort_put(out, text, n);
}

/* retort_put_decimal appends a number in decimal. */
static inline void retort_put_decimal(retort_out *out, uint64_t number)
{
	char digits[20]; /* of 2^64-1 */
	uint32_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	retort_put(out, digits + at, sizeof digits - at);
}

/* retort_end is what retort_reply returns for what was put: its length, or RETORT_OVERSIZE. */
static inline int32_t retort_end(const retort_out *out) { return out->over ? RETORT_OVERSIZE : (int32_t)out->len; }

__attribute__((import_module("retort_v1"), import_name("log")))
void retort_v1_log(int32_t level, const char *text, uint32_t len);

/* retort_log writes one line to the host's log, which cuts it at 1 KiB and drops lines that come too fast. */
static inline void retort_log(int32_t level, const char *text)
{
	uint32_t n = 0;
	while (text[n] != 0)
		n++;
	retort_v1_log(level, text, n);
}

/* -- What the host calls -- */

/*
 * RETORT_WINDOW is how many bytes the host can be given to write requests, replies and the configuration to. A
 * host of version 1 asks for what the largest request, the largest reply and a meta block take, or for the
 * length of the configuration when that is more; define a larger one before the #include to take a configuration of
 * more than 160 KiB. It costs linear memory, which is not touched before it is used.
 */
#ifndef RETORT_WINDOW
#define RETORT_WINDOW (160 * 1024)
#endif

_Static_assert(RETORT_WINDOW >= 2 * 65527 + 64, "the window holds a request, a reply and a meta block");

static _Alignas(16) uint8_t retort_window[RETORT_WINDOW];

RETORT_EXPORT(retort_v1_window) void *retort_v1_window(uint32_t size)
{
	return size <= sizeof retort_window ? retort_window : NULL;
}

RETORT_EXPORT(retort_v1_reply)
int32_t retort_v1_reply(const uint8_t *data, uint32_t len, uint8_t *to, uint32_t cap, const retort_meta *meta)
{
	const retort_request request = {data, len, meta};
	retort_out out = {to, cap, 0, false};
	return retort_reply(&request, &out);
}

#endif

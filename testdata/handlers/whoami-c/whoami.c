/* Answers each datagram with the address and port that it came from. To build it in this folder:
   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first
   -Wl,-z,stack-size=16384 -I ../../../wasmhandler/guest/sdk/c -o whoami.wasm whoami.c */
#include "retort.h"

/* 192.0.2.1:40000 */
static void put_ipv4(retort_out *out, const uint8_t *addr)
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			retort_put_byte(out, '.');
		retort_put_decimal(out, addr[i]);
	}
}

static void put_hex(retort_out *out, uint32_t number)
{
	if (number > 0xf)
		put_hex(out, number >> 4);
	retort_put_byte(out, "0123456789abcdef"[number & 0xf]);
}

/* [2001:db8:0:0:0:0:0:1]:40000, or [fe80:0:0:0:0:0:0:1%2]:40000 with a scope id */
static void put_ipv6(retort_out *out, const uint8_t *addr, uint32_t zone)
{
	for (int i = 0; i < 16; i += 2) {
		retort_put_byte(out, i > 0 ? ':' : '[');
		put_hex(out, (uint32_t)addr[i] << 8 | addr[i + 1]);
	}
	if (zone != 0) {
		retort_put_byte(out, '%');
		retort_put_decimal(out, zone);
	}
	retort_put_byte(out, ']');
}

static int32_t retort_reply(const retort_request *request, retort_out *out)
{
	const retort_meta *meta = request->meta;
	if (meta->family == 4)
		put_ipv4(out, meta->peer_addr + 12);
	else
		put_ipv6(out, meta->peer_addr, meta->zone);
	retort_put_byte(out, ':');
	retort_put_decimal(out, meta->peer_port);
	return retort_end(out);
}

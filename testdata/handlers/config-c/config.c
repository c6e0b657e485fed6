/* Answers each datagram with the text that it was configured with. To build it in this folder:
   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first
   -Wl,-z,stack-size=16384 -I ../../../wasmhandler/guest/sdk/c -o config.wasm config.c */
#include "retort.h"

static uint8_t text[512];
static uint32_t text_len;
static bool configured;

int32_t retort_configure(const uint8_t *config, uint32_t len)
{
	if (len > sizeof text) {
		retort_log(RETORT_ERROR, "the text may have 512 bytes");
		return 1;
	}
	memcpy(text, config, len);
	text_len = len;
	configured = true;
	return 0;
}

static int32_t retort_reply(const retort_request *request, retort_out *out)
{
	(void)request;
	if (!configured)
		return RETORT_SILENCE;
	retort_put(out, text, text_len);
	return retort_end(out);
}

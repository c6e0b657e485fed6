/* A guest that uses all of retort.h; sdk_test.go knows what it must answer. */
#include "retort.h"

static uint32_t idles;

int32_t retort_configure(const uint8_t *config, uint32_t len)
{
	return memcmp(config, "good", len < 4 ? len : 4) == 0 && len == 4 ? 0 : 7;
}

void retort_idle(void) { idles++; }

int32_t retort_is_response(const uint8_t *data, uint32_t len, const retort_meta *meta)
{
	return len > 0 && data[0] == 'R' && meta->size == sizeof *meta;
}

static void put_sign(retort_out *out, int number)
{
	retort_put_byte(out, number < 0 ? '-' : number > 0 ? '+' : '0');
}

static int32_t retort_reply(const retort_request *request, retort_out *out)
{
	const retort_meta *meta = request->meta;
	char text[16] = "0123456789abcde";

	if (request->len == 0)
		return RETORT_SILENCE;
	switch (request->data[0]) {
	case 'b': /* bytes, with a 0 among them */
		retort_put(out, "a\0b", 3);
		break;
	case 'c': /* memcmp */
		put_sign(out, memcmp("abc", "abd", 3));
		put_sign(out, memcmp("abd", "abc", 3));
		put_sign(out, memcmp("\xff", "\x01", 1));
		put_sign(out, memcmp("abc", "abd", 2));
		put_sign(out, memcmp("a", "b", 0));
		break;
	case 'd': /* decimals */
		retort_put_decimal(out, 0);
		retort_put_byte(out, ' ');
		retort_put_decimal(out, UINT64_MAX);
		break;
	case 'f': /* memmove forward, memmove backward, memcpy, memset */
		memmove(text + 2, text, 5);
		memmove(text + 8, text + 9, 5);
		memcpy(text + 14, "!", 1);
		memset(text, '-', 2);
		retort_put_text(out, text);
		break;
	case 'h': /* by hand */
		if (out->cap < 2)
			return -150;
		out->data[0] = 'h';
		out->data[1] = 'i';
		return 2;
	case 'i':
		retort_put_decimal(out, idles);
		break;
	case 'l':
		retort_log(RETORT_WARN, "a warning from the guest");
		return retort_end(out);
	case 'm':
		return RETORT_MALFORMED;
	case 'p': /* what does not fit is not put, and neither is what comes after it */
		retort_put_text(out, "too long for 12");
		retort_put_text(out, "ok");
		break;
	case 't':
		retort_put_decimal(out, meta->time_ns);
		retort_put_byte(out, ' ');
		retort_put_decimal(out, meta->local_port);
		retort_put_byte(out, ' ');
		retort_put_decimal(out, meta->peer_port);
		retort_put_byte(out, ' ');
		retort_put(out, meta->local_addr + 12, 4);
		retort_put(out, meta->peer_addr + 12, 4);
		retort_put_byte(out, ' ');
		retort_put_decimal(out, meta->family);
		retort_put_byte(out, ' ');
		retort_put_decimal(out, meta->zone);
		break;
	case 'u':
		retort_put_text(out, "Grüße 😀");
		break;
	case '!':
		__builtin_trap();
	default:
		retort_put(out, request->data, request->len);
	}
	return retort_end(out);
}

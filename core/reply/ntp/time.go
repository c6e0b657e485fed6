package ntp

import "time"

// toUnix is how many seconds lie between the prime epoch of NTP, 1900-01-01, and that of Unix: 70 years with 17
// leap days (RFC 5905, figure 4).
const toUnix = 2208988800

// Timestamp returns t as NTP writes it (RFC 5905, figure 3): seconds since 1900 in the upper 32 bits and the fraction
// of a second in the lower, rounded down. The seconds start again at zero every 136 years, the next time on
// 2036-02-07 at 06:28:16 UTC; packets carry no number of that era, and clients find it out from the year that they
// know to be about right (RFC 5905, section 6).
func Timestamp(t time.Time) uint64 {
	seconds := uint64(uint32(t.Unix() + toUnix))
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// Time returns the time that a timestamp means, given one that is less than 68 years from it: the clock of
// whoever asks (RFC 5905, section 6). It is rounded to the nearest nanosecond.
func Time(timestamp uint64, near time.Time) time.Time {
	seconds := near.Unix() + toUnix
	seconds += int64(int32(uint32(timestamp>>32) - uint32(seconds)))
	fraction := (timestamp&(1<<32-1)*uint64(time.Second) + 1<<31) >> 32
	return time.Unix(seconds-toUnix, int64(fraction))
}

// steering is how often a host's clock is taken to be corrected. RFC 5905 has servers say when that was last
// (the reference timestamp), which a handler cannot know: clients want it in the past, and not long ago.
const steering = 64 // seconds, the shortest poll interval that is common; a power of two

// lastSet returns the reference timestamp at now: the last full multiple of steering.
func lastSet(now uint64) uint64 { return now >> 32 &^ (steering - 1) << 32 }

// short returns a time in the short format: seconds in 16 bits and a fraction in 16 (RFC 5905, figure 3), rounded up.
// What is less than zero or does not fit becomes the nearest that does.
func short(d time.Duration) uint32 {
	const most = 1<<32 - 1
	d = min(max(d, 0), 1<<16*time.Second)
	whole, rest := uint64(d/time.Second), uint64(d%time.Second)
	return uint32(min(whole<<16+(rest<<16+uint64(time.Second)-1)/uint64(time.Second), most))
}

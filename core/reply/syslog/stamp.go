package syslog

import "bytes"

// isStamp5424 says whether b is a timestamp of RFC 5424, section 6.2.3, as in "2003-10-11T22:14:15.003Z": with
// capital letters, up to 6 digits of a fraction, and no leap seconds.
func isStamp5424(b []byte) bool {
	const date = "dddd-dd-ddTdd:dd:dd"
	if len(b) < len(date) || !shaped(b[:len(date)], date) || !isDate(number(b[:4]), number(b[5:7]), number(b[8:10])) ||
		!isTime(b[11:19]) {
		return false
	}
	b = b[len(date):]
	if len(b) > 0 && b[0] == '.' {
		digits := 1
		for digits < len(b) && isDigit(b[digits]) {
			digits++
		}
		if digits < 2 || digits > 7 {
			return false
		}
		b = b[digits:]
	}
	switch {
	case len(b) == 1:
		return b[0] == 'Z'
	case len(b) == len("+00:00"):
		return (b[0] == '+' || b[0] == '-') && shaped(b[1:], "dd:dd") && number(b[1:3]) < 24 && number(b[4:]) < 60
	}
	return false
}

// hasStamp3164 says whether b begins with a timestamp of RFC 3164, section 4.1.2, as in "Oct 11 22:14:15 " or
// "Oct  1 22:14:15 ".
func hasStamp3164(b []byte) bool {
	const stamp = "Mmm dd hh:mm:ss "
	if len(b) < len(stamp) || b[3] != ' ' || b[6] != ' ' || b[15] != ' ' || !shaped(b[7:15], "dd:dd:dd") || !isTime(b[7:15]) {
		return false
	}
	month := bytes.Index([]byte("JanFebMarAprMayJunJulAugSepOctNovDec"), b[:3])
	if month < 0 || month%3 != 0 || !isDigit(b[5]) || b[4] != ' ' && (b[4] < '1' || b[4] > '3') {
		return false
	}
	day := int(b[5] - '0')
	if b[4] != ' ' {
		day += 10 * int(b[4]-'0')
	}
	const leapYear = 2000 // the year is not said
	return isDate(leapYear, month/3+1, day)
}

// shaped says whether b has digits where the shape has a "d", and else its characters.
func shaped(b []byte, shape string) bool {
	if len(b) != len(shape) {
		return false
	}
	for i, c := range b {
		if shape[i] == 'd' && !isDigit(c) || shape[i] != 'd' && c != shape[i] {
			return false
		}
	}
	return true
}

func isDate(year, month, day int) bool {
	if month < 1 || month > 12 {
		return false
	}
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days++
	}
	return day >= 1 && day <= days
}

// isTime reads "hh:mm:ss" that has its shape.
func isTime(b []byte) bool { return number(b[:2]) < 24 && number(b[3:5]) < 60 && number(b[6:8]) < 60 }

// number reads digits.
func number(b []byte) (n int) {
	for _, c := range b {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

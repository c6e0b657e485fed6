package cookie

import "encoding/binary"

// Cookie is what a challenge gives a client: a time and a tag, which the client need not understand. The zero Cookie
// is for the first question.
type Cookie [12]byte

// AppendQuestion appends a question with the payload onto dst. It is for clients.
func AppendQuestion(dst []byte, c Cookie, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, magic|question)
	dst = append(dst, c[:]...)
	return append(dst, payload...)
}

// Reply is what a server sent.
type Reply struct {
	Challenge bool   // ask again, with Cookie
	Cookie    Cookie // of a challenge
	Answer    []byte // else what the handler said, in the datagram's memory
}

// ParseReply reads a server's reply; ok says whether it is one.
func ParseReply(datagram []byte) (r Reply, ok bool) {
	if len(datagram) < AnswerSize {
		return r, false
	}
	switch binary.BigEndian.Uint32(datagram) {
	case magic | challenge:
		if len(datagram) == HeaderSize {
			return Reply{Challenge: true, Cookie: Cookie(datagram[AnswerSize:])}, true
		}
	case magic | answer:
		return Reply{Answer: datagram[AnswerSize:]}, true
	}
	return r, false
}

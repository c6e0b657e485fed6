package core_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/retort-udp/retort/core"
)

// Replies are packed and keep their bytes, whether they were built in place or elsewhere, until there
// is no room.
func TestBatchPacksReplies(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	b := core.NewBatch()
	for range 50 {
		var want [][]byte
		for {
			limit := []int{0, 30, 1400, core.MaxPayload4, core.MaxPayload6, 1 << 20}[rng.IntN(6)]
			room := b.Room(limit)
			if room == nil {
				break
			}
			if len(room) != 0 || cap(room) != min(limit, core.MaxPayload6) {
				t.Fatalf("room for %d: length %d, capacity %d", limit, len(room), cap(room))
			}
			reply := bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(cap(room)+1))
			want = append(want, reply)
			if rng.IntN(2) == 0 {
				b.Answer(len(want)-1, append(room, reply...))
			} else {
				b.Answer(len(want)-1, reply)
			}
		}
		if len(want) == 0 {
			t.Fatal("an empty batch has no room")
		}
		if len(b.Replies) != len(want) {
			t.Fatalf("%d replies, want %d", len(b.Replies), len(want))
		}
		for i, r := range b.Replies {
			if r.Message != i || !bytes.Equal(r.Data, want[i]) {
				t.Fatalf("reply %d to message %d differs", i, r.Message)
			}
			if cap(r.Data) != len(r.Data) {
				t.Fatalf("an append to reply %d would write over the next", i)
			}
		}
		b.Clear()
		if len(b.Replies) != 0 {
			t.Fatal("replies are there after Clear")
		}
	}
}

// However many replies wait, behind 64 KiB of them there is still room for the largest.
func TestBatchHasRoomForTheLargestReplyBehindOthers(t *testing.T) {
	b := core.NewBatch()
	for total := 0; total+30 <= core.MaxPayload6; total += 30 {
		b.Answer(0, append(b.Room(core.MaxPayload6), make([]byte, 30)...))
	}
	if b.Room(core.MaxPayload6) == nil {
		t.Error("there is none")
	}
}

func TestBatchAllocatesNothingPerReply(t *testing.T) {
	b := core.NewBatch()
	answer := func() {
		for i := range 64 {
			b.Answer(i, append(b.Room(core.MaxPayload4), "Your data was 0 bytes long"...))
		}
		b.Clear()
	}
	answer()
	if n := testing.AllocsPerRun(100, answer); n != 0 {
		t.Errorf("%v allocations for 64 replies", n)
	}
}

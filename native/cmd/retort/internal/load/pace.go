package load

import "math"

// pace is the timetable of one worker in an open loop: of requests 0, 1, 2, ... at equal distances it has
// every step-th, from first on.
type pace struct {
	start  int64   // when request 0 is due, in nanoseconds
	period float64 // nanoseconds from one request to the next
	step   uint64
	first  uint64
	total  uint64 // requests of all workers
	issued uint64 // requests of this worker that were handed out
}

// newPace is the timetable of one of several workers for a duration in nanoseconds. At most limit requests
// are made, unless that is 0.
func newPace(start int64, rate float64, duration int64, limit uint64, worker, workers int) pace {
	total := uint64(math.Ceil(rate * float64(duration) / 1e9))
	if limit > 0 {
		total = min(total, limit)
	}
	return pace{start: start, period: 1e9 / rate, step: uint64(workers), first: uint64(worker), total: total}
}

// due returns when the n-th request from now on, counted from 0, is due. It returns ok false when there is
// no such request.
func (p *pace) due(n int) (at int64, ok bool) {
	k := p.first + (p.issued+uint64(n))*p.step
	return p.start + int64(float64(k)*p.period), k < p.total
}

// ready returns how many requests are due, at most most.
func (p *pace) ready(now int64, most int) int {
	for n := range most {
		if at, ok := p.due(n); !ok || at > now {
			return n
		}
	}
	return most
}

// left returns how many requests have not been handed out.
func (p *pace) left() uint64 {
	next := p.first + p.issued*p.step
	if next >= p.total {
		return 0
	}
	return (p.total-next-1)/p.step + 1
}

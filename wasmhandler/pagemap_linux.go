package wasmhandler

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pagemap is /proc/self/pagemap, which tells since Linux 6.7 which pages of a private mapping were written: they are
// no pages of the file any more. See https://docs.kernel.org/admin-guide/mm/pagemap.html (PAGEMAP_SCAN).
type pagemap int

const noPagemap pagemap = -1

// openPagemap returns noPagemap where there is none.
func openPagemap() pagemap {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return noPagemap
	}
	return pagemap(fd)
}

func (p pagemap) close() error {
	if p == noPagemap {
		return nil
	}
	return unix.Close(int(p))
}

// How many pages are written over at most. Beyond that it is cheaper to throw them away, and the memory is better
// given back.
const (
	maxRanges = 64
	maxPages  = 128
)

// writtenPages is what a scan needs and finds.
type writtenPages struct {
	scan   scanArguments
	ranges [maxRanges]pageRange
}

// scanArguments is the kernel's struct pm_scan_arg (include/uapi/linux/fs.h).
type scanArguments struct {
	size, flags               uint64
	start, end                uint64 // addresses
	walkEnd                   uint64 // where the kernel stopped
	ranges, rangesLen         uint64 // where the result goes, and its room in elements
	maxPages                  uint64
	inverted, all, any, wants uint64 // sets of categories
}

// pageRange is the kernel's struct page_region.
type pageRange struct{ start, end, _ uint64 }

// The categories that pages are in.
const (
	pageIsFile    = 1 << 2 // it is the file's own, so nobody wrote to it
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5 // the one page of zeros that all share who only read
)

// pagemapScan is PAGEMAP_SCAN, which is _IOWR('f', 16, struct pm_scan_arg).
const pagemapScan = 3<<30 | unsafe.Sizeof(scanArguments{})<<16 | 'f'<<8 | 16

// find returns the ranges of memory that hold pages which were written, or false when they are too many, or the
// kernel does not know.
func (w *writtenPages) find(p pagemap, memory []byte) (ranges []pageRange, ok bool) {
	if p == noPagemap {
		return nil, false
	}
	start := uint64(uintptr(unsafe.Pointer(&memory[0])))
	w.scan = scanArguments{
		size:  uint64(unsafe.Sizeof(w.scan)),
		start: start, end: start + uint64(len(memory)),
		ranges: uint64(uintptr(unsafe.Pointer(&w.ranges))), rangesLen: maxRanges,
		maxPages: maxPages,
		inverted: pageIsFile | pageIsZero, all: pageIsFile | pageIsZero, any: pageIsPresent | pageIsSwapped,
	}
	n, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(p), pagemapScan, uintptr(unsafe.Pointer(&w.scan)))
	if errno != 0 || w.scan.walkEnd != w.scan.end || n > maxRanges {
		return nil, false
	}
	return w.ranges[:n], true
}

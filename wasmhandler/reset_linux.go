package wasmhandler

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memoryImage is a linear memory's content in a file without a name (memfd_create(2)). Instances map it privately:
// they share its pages until they write to them.
type memoryImage struct {
	fd      int     // -1: there is nothing in it
	content []byte  // mapped from the file; what memory there is behind it is zeros
	pages   pagemap // of this process
}

// newMemoryImage returns an image of content, which is a number of whole pages. Selective says whether to ask the
// kernel which pages were written.
func newMemoryImage(content []byte, selective bool) (_ *memoryImage, err error) {
	i := &memoryImage{fd: -1, pages: noPagemap}
	if selective {
		i.pages = openPagemap()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	if len(content) == 0 {
		return i, nil
	}
	if i.fd, err = unix.MemfdCreate("retort guest", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING); err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	for written := 0; written < len(content); {
		n, err := unix.Pwrite(i.fd, content[written:], int64(written))
		if err != nil {
			return nil, fmt.Errorf("writing %d bytes to memory: %w", len(content), err)
		}
		written += n
	}
	// Nobody has a use for changing it, and mapped memory that is cut off would be a SIGBUS.
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(i.fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("sealing memory: %w", err)
	}
	// Privately, since older kernels let nobody share what is sealed, not even for reading.
	if i.content, err = unix.Mmap(i.fd, 0, len(content), unix.PROT_READ, unix.MAP_PRIVATE); err != nil {
		return nil, fmt.Errorf("mapping %d bytes: %w", len(content), err)
	}
	return i, nil
}

// mapOnto puts the image in place of memory, which is a mapping of our own. After an error there may be nothing
// at its addresses.
func (i *memoryImage) mapOnto(memory []byte) (*memoryView, error) {
	if n := len(i.content); n > 0 {
		const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_FIXED
		if _, err := unix.MmapPtr(i.fd, 0, unsafe.Pointer(&memory[0]), uintptr(n), prot, flags); err != nil {
			return nil, fmt.Errorf("mapping %d bytes: %w", n, err)
		}
	}
	v := &memoryView{image: i, memory: memory}
	v.selective = v.probe()
	return v, v.discard()
}

// close gives the file back. Memory that it is mapped onto keeps it, but cannot be restored any more.
func (i *memoryImage) close() error {
	var errs []error
	if i.content != nil {
		errs = append(errs, unix.Munmap(i.content))
		i.content = nil
	}
	if i.fd >= 0 {
		errs = append(errs, unix.Close(i.fd))
		i.fd = -1
	}
	return errors.Join(append(errs, i.pages.close())...)
}

// memoryView is an image in place of an instance's memory.
type memoryView struct {
	image     *memoryImage
	memory    []byte
	selective bool // the kernel tells which pages were written
	written   writtenPages
}

// probe writes to one page, without changing it, and tells whether the kernel says so. If it only seemed to know,
// what one client sent would reach the next.
func (v *memoryView) probe() bool {
	if err := v.discard(); err != nil {
		return false
	}
	word := (*atomic.Uint32)(unsafe.Pointer(&v.memory[0]))
	word.Store(word.Load())
	ranges, ok := v.written.find(v.image.pages, v.memory)
	first := uint64(uintptr(unsafe.Pointer(&v.memory[0])))
	return ok && len(ranges) == 1 && ranges[0].start == first && ranges[0].end == first+uint64(unix.Getpagesize())
}

// restore makes the memory what the image is. When few pages were written, and the kernel can say which, they are
// written over: that takes a quarter of the time of throwing them away, since each page that is missing costs a fault
// when it is used next.
func (v *memoryView) restore() error {
	if !v.selective {
		return v.discard()
	}
	ranges, ok := v.written.find(v.image.pages, v.memory)
	if !ok {
		return v.discard()
	}
	first := uintptr(unsafe.Pointer(&v.memory[0]))
	for _, r := range ranges {
		from, to := int(uintptr(r.start)-first), int(uintptr(r.end)-first)
		n := 0
		if from < len(v.image.content) {
			n = copy(v.memory[from:to], v.image.content[from:])
		}
		clear(v.memory[from+n : to])
	}
	return nil
}

// discard throws away the pages that were written, so that those of the image show again, and zeros behind it. It
// gives memory back, too.
func (v *memoryView) discard() error {
	if err := unix.Madvise(v.memory, unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("discarding %d bytes: %w", len(v.memory), err)
	}
	return nil
}

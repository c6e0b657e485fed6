//go:build !linux

package wasmhandler

import "errors"

// memoryImage would be a linear memory's content that instances share until they write to it. Go has no portable
// way to it, so there is none, and instances are started from the beginning.
type memoryImage struct{}

func newMemoryImage([]byte, bool) (*memoryImage, error) { return nil, errors.ErrUnsupported }

func (*memoryImage) mapOnto([]byte) (*memoryView, error) { return nil, errors.ErrUnsupported }

func (*memoryImage) close() error { return nil }

// memoryView would be a memoryImage in place of an instance's memory.
type memoryView struct{}

func (*memoryView) restore() error { return errors.ErrUnsupported }

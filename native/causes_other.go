//go:build !unix && !windows

package native

// These systems give their errors as text, or have no network but their own process. What cannot be
// sorted ends a Receive and loses one reply of a Send.

const truncationIsError = false

func causeOfErrno(error) cause { return other }

func isInUse(error) bool       { return false }
func isNoLocalAddr(error) bool { return false }
func isNoFamily(error) bool    { return false }
func asInUse(err error) error  { return err }

package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
)

// entry is one file in an archive or a package, or a folder with nothing in it, whose name ends in a slash.
type entry struct {
	name  string // without a slash or "./" in front, and without the folder that all of an archive is in
	mode  fs.FileMode
	owner string // "root", or whose it is
}

// errMissing says that what opens a file is not on this machine.
var errMissing = errors.New("not installed")

// entries lists what is in a file of a release of that kind, without a package's own papers.
func entries(file, kind string) ([]entry, error) {
	switch kind {
	case "archive", "windows", "handlers", "source":
		all, err := archiveEntries(file)
		if err != nil {
			return nil, err
		}
		return inFolder(all)
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	switch kind {
	case "deb":
		return debEntries(bufio.NewReader(in))
	case "rpm":
		return rpmEntries(bufio.NewReader(in))
	case "arch":
		return zstdEntries(in)
	}
	return gzipEntries(in)
}

// archiveEntries lists what is in an archive, by names with the folder in front.
func archiveEntries(file string) ([]entry, error) {
	if strings.HasSuffix(file, ".zip") {
		return zipEntries(file)
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return gzipEntries(in)
}

// inFolder takes off the folder that all of an archive must be in.
func inFolder(all []entry) ([]entry, error) {
	folder := ""
	for i := range all {
		first, rest, ok := strings.Cut(all[i].name, "/")
		if !ok || folder != "" && first != folder {
			return nil, fmt.Errorf("%s is not in the folder that the rest is in", all[i].name)
		}
		folder, all[i].name = first, rest
	}
	return all, nil
}

func zipEntries(file string) ([]entry, error) {
	in, err := zip.OpenReader(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var all []entry
	for _, f := range in.File {
		all = append(all, entry{f.Name, f.Mode().Perm(), "root"}) // a zip knows no owners
	}
	return leaves(all), nil
}

func gzipEntries(in io.Reader) ([]entry, error) {
	plain, err := gzip.NewReader(in) // a package for Alpine is several in a row, which it reads as one
	if err != nil {
		return nil, err
	}
	return tarEntries(plain)
}

func tarEntries(in io.Reader) ([]entry, error) {
	var all []entry
	for files := tar.NewReader(in); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return leaves(all), nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // git says there which commit it is
			continue
		}
		owner := "root"
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "root" && h.Uname != "" {
			owner = fmt.Sprintf("%s (%d:%d)", h.Uname, h.Uid, h.Gid)
		}
		all = append(all, entry{tidy(h.Name, h.FileInfo().IsDir()), h.FileInfo().Mode().Perm(), owner})
	}
}

// zstdEntries lists what is in a package for Arch Linux. Go's library cannot open one.
func zstdEntries(in io.Reader) ([]entry, error) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		return nil, fmt.Errorf("zstd is %w", errMissing)
	}
	cmd := exec.Command(zstd, "-dc")
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	plain, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return tarEntries(bytes.NewReader(plain))
}

// debEntries finds the files in a package for Debian, which is an archive of ar's (deb(5)).
func debEntries(in *bufio.Reader) ([]entry, error) {
	const header = 60 // name, 16 bytes; time, 12; owner, 6; group, 6; mode, 8; size, 10; two that end it
	if start, err := in.Peek(8); err != nil || string(start) != "!<arch>\n" {
		return nil, errors.New("it is no package for Debian")
	}
	for from := 8; ; {
		if _, err := in.Discard(from); err != nil {
			return nil, err
		}
		var member [header]byte
		if _, err := io.ReadFull(in, member[:]); err != nil {
			return nil, fmt.Errorf("it has no data.tar.gz: %w", err)
		}
		size, err := strconv.Atoi(strings.TrimSpace(string(member[48:58])))
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(string(member[:]), "data.tar.gz") {
			return gzipEntries(io.LimitReader(in, int64(size)))
		}
		from = size + size%2
	}
}

// rpmEntries finds the files in a package for Fedora and its like: behind a lead and two headers, of which the first is
// filled up to a multiple of eight, there is an archive of cpio's (RPM's manual, "Package format").
func rpmEntries(in *bufio.Reader) ([]entry, error) {
	const lead = 96
	if _, err := in.Discard(lead); err != nil {
		return nil, err
	}
	for _, multiple := range []int{8, 1} {
		var header [16]byte // magic, 4 bytes; reserved, 4; how many entries of 16 bytes; how many bytes of data
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(header[:], []byte{0x8e, 0xad, 0xe8, 1}) {
			return nil, errors.New("it is no package for RPM")
		}
		size := 16*int(binary.BigEndian.Uint32(header[8:])) + int(binary.BigEndian.Uint32(header[12:]))
		if _, err := in.Discard((size + multiple - 1) / multiple * multiple); err != nil {
			return nil, err
		}
	}
	plain, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return cpioEntries(bufio.NewReader(plain))
}

// cpioEntries reads cpio's new portable format: a magic number and 13 numbers, all of them text, then a name and a
// content, each of which ends at a multiple of four (cpio(5)).
func cpioEntries(in *bufio.Reader) ([]entry, error) {
	const header = 6 + 13*8
	var all []entry
	for {
		var text [header]byte
		if _, err := io.ReadFull(in, text[:]); err != nil {
			return nil, err
		}
		number := func(i int) int {
			n, err := strconv.ParseUint(string(text[6+8*i:][:8]), 16, 32)
			if err != nil {
				return 0 // and there is no name then, which ends the reading
			}
			return int(n)
		}
		mode, uid, gid, size, length := number(1), number(2), number(3), number(6), number(11)
		if string(text[:6]) != "070701" || length == 0 {
			return nil, errors.New("it is no archive of cpio's new format")
		}
		name := make([]byte, (header+length+3)/4*4-header)
		if _, err := io.ReadFull(in, name); err != nil {
			return nil, err
		}
		name = name[:length-1]
		if string(name) == "TRAILER!!!" {
			return leaves(all), nil
		}
		if _, err := in.Discard((size + 3) / 4 * 4); err != nil {
			return nil, err
		}
		owner := "root"
		if uid != 0 || gid != 0 {
			owner = fmt.Sprintf("%d:%d", uid, gid)
		}
		const typeMask, folder = 0o170000, 0o040000 // inode(7)
		all = append(all, entry{tidy(string(name), mode&typeMask == folder), fs.FileMode(mode) & fs.ModePerm, owner})
	}
}

// tidy writes the names of all kinds of archive alike.
func tidy(name string, folder bool) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if folder {
		name += "/"
	}
	return name
}

// leaves leaves out the folders that something is in, and a package's own papers, whose names begin with a dot.
func leaves(all []entry) (kept []entry) {
	for _, e := range all {
		full := strings.HasSuffix(e.name, "/") && slices.ContainsFunc(all, func(other entry) bool {
			return other.name != e.name && strings.HasPrefix(other.name, e.name)
		})
		if !full && e.name != "/" && !strings.HasPrefix(e.name, ".") {
			kept = append(kept, e)
		}
	}
	return kept
}

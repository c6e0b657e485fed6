package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/magefile/mage/sh"
)

// Smoke takes the archive in dist that is for this system as people would take it, and asks the server in it: on macOS
// both of them, for this processor and for any.
func (Release) Smoke() error {
	name := map[string]string{"darwin": "macos"}[runtime.GOOS]
	if name == "" {
		name = runtime.GOOS
	}
	ending := ".tar.gz"
	if runtime.GOOS == "windows" {
		ending = ".zip"
	}
	archives := []string{runtime.GOARCH}
	if runtime.GOOS == "darwin" {
		archives = append(archives, "universal")
	}
	for _, arch := range archives {
		if err := smokeArchive("retort_*_"+name+"_"+arch+ending, "retort"+exeSuffix()); err != nil {
			return err
		}
	}
	return nil
}

// Packages tries out what is in dist beside the archive for this system: the packages by their managers, the program in
// the .deb and in the one for arm64, under qemu, and the Windows archive under wine. What this machine cannot run is
// skipped by name.
func (Release) Packages() error {
	if err := smokeDeb("amd64", ""); err != nil {
		return err
	}
	if err := installPackages(); err != nil {
		return err
	}
	if err := smokeDeb("arm64", "qemu-aarch64-static"); err != nil {
		return err
	}
	return smokeWindows()
}

// smokeArchive verifies and unpacks the one archive in dist that pattern matches, and does a round trip with the program in it.
func smokeArchive(pattern, program string, runner ...string) error {
	archive, err := only(filepath.Join("dist", pattern))
	if err != nil {
		return err
	}
	if err := verify(archive); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retort-smoke")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if strings.HasSuffix(archive, ".zip") {
		err = unzip(archive, dir)
	} else {
		err = untar(archive, dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	root, err := only(filepath.Join(dir, "*")) // the folder that all of it is in
	if err != nil {
		return err
	}
	if err := askIdentity(append(runner, filepath.Join(root, program)), archive, runtime.GOOS+"/"+runtime.GOARCH); err != nil {
		return err
	}
	for _, handler := range []string{"length", filepath.Join(root, "handlers", "length-c", "length.wasm")} {
		if err := roundTrip(append(runner, filepath.Join(root, program)), handler); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	fmt.Printf("%s answers\n", archive)
	return nil
}

// smokeDeb installs a package into a root of its own and does a round trip with the program there.
func smokeDeb(arch, emulator string) error {
	runner, missing := emulate(arch, emulator)
	if missing != "" {
		return skip("the package for linux/%s needs %s", arch, missing)
	}
	if _, err := exec.LookPath("dpkg"); err != nil {
		return skip("packages for Debian need dpkg")
	}
	file, err := only(filepath.Join("dist", "retort_*_"+arch+".deb"))
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "retort-root")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := sh.Run("dpkg", "--extract", file, root); err != nil {
		return err
	}
	for _, installed := range []string{
		"usr/bin/retort", "etc/retort/retort.toml", "var/lib/retort/handlers", "usr/lib/systemd/system/retort.service",
		"usr/lib/systemd/system/retort.socket", "usr/share/man/man1/retort-server.1",
		"usr/share/bash-completion/completions/retort",
	} {
		if _, err := os.Stat(filepath.Join(root, installed)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	retort := append(runner, filepath.Join(root, "usr", "bin", "retort"))
	if err := askIdentity(retort, file, "linux/"+arch); err != nil {
		return err
	}
	config := append(retort, "config", "check", filepath.Join(root, "etc", "retort", "retort.toml"))
	check := exec.Command(config[0], config[1:]...)
	check.Env = append(os.Environ(), "RETORT_HANDLERS="+filepath.Join(root, "var", "lib", "retort", "handlers"))
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: its own configuration: %w\n%s", file, err, out)
	}
	if err := roundTrip(retort, "length"); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Printf("%s answers\n", file)
	return nil
}

// emulate returns what programs for another processor are run with, or what is missing here to run them.
func emulate(arch, emulator string) (runner []string, missing string) {
	if runtime.GOOS != "linux" {
		return nil, "Linux"
	}
	if runtime.GOARCH == arch {
		return nil, ""
	}
	if emulator == "" {
		return nil, "a machine that is one"
	}
	path, err := exec.LookPath(emulator)
	if err != nil {
		return nil, emulator
	}
	return []string{path}, ""
}

// smokeWindows does a round trip with the archive for Windows under wine. Wine does not know one of the calls with
// which Go opens a UDP socket, so that the copy that is tried out has the code of another one in it.
func smokeWindows() error {
	if _, err := exec.LookPath("wine"); err != nil {
		return skip("the archive for Windows needs wine")
	}
	archive, err := only(filepath.Join("dist", "retort_*_windows_amd64.zip"))
	if err != nil {
		return err
	}
	w, err := startWine()
	if err != nil {
		return err
	}
	defer w.stop()
	dir := filepath.Join(w.dir, "archive")
	if err := unzip(archive, dir); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	program, err := only(filepath.Join(dir, "*", "retort.exe"))
	if err != nil {
		return err
	}
	code, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	// SIO_UDP_NETRESET, 0x9800000f, where it is put into a register; SIO_UDP_CONNRESET differs in its last digit.
	netReset, found := []byte{0x0f, 0, 0, 0x98}, 0
	for at := 1; at+len(netReset) <= len(code); at++ {
		if bytes.Equal(code[at:at+len(netReset)], netReset) && code[at-1]&^7 == 0xb8 {
			code[at] = 0x0c
			found++
		}
	}
	if found < 1 || found > 4 {
		return fmt.Errorf("%s: %d places look like SIO_UDP_NETRESET, want one to four", archive, found)
	}
	if err := os.WriteFile(program, code, 0o755); err != nil {
		return err
	}
	os.Setenv("WINEPREFIX", w.prefix)
	os.Setenv("WINEDEBUG", "-all")
	if err := askIdentity([]string{"wine", program}, archive, "windows/amd64"); err != nil {
		return err
	}
	if err := roundTrip([]string{"wine", program}, "length"); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	fmt.Printf("%s answers under wine\n", archive)
	return nil
}

// roundTrip starts a server on a port that the system chooses, and asks it with the client.
func roundTrip(retort []string, handler string) error {
	server := exec.Command(retort[0], append(retort[1:], "server", "-p", "0", "--handler", handler)...)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Wait()
	defer server.Process.Kill()
	late := time.AfterFunc(time.Minute, func() { _ = server.Process.Kill() })
	defer late.Stop()
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server does not say where it listens: %w", err)
	}
	port := regexp.MustCompile(`^Listening at \('127\.0\.0\.1', (\d+)\)`).FindStringSubmatch(first)
	if port == nil {
		return fmt.Errorf("the server says %q", first)
	}
	client := exec.Command(retort[0], append(retort[1:], "client", "-p", port[1], "--timeout", "30s")...)
	client.Stderr = os.Stderr
	reply, err := client.Output()
	if err != nil {
		return fmt.Errorf("the client: %w", err)
	}
	if want := "replied 'Your data was 38 bytes long'"; !strings.Contains(string(reply), want) {
		return fmt.Errorf("the client says %q, want %q", reply, want)
	}
	return nil
}

// only returns the one file that pattern matches.
func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d files match %s, want one", len(found), pattern)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func untar(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for in := tar.NewReader(plain); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = unpack(dir, h.Name, in, h.FileInfo().Mode())
		}
		if err != nil {
			return err
		}
	}
}

func unzip(archive, dir string) error {
	in, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	for _, f := range in.File {
		if f.FileInfo().IsDir() {
			continue
		}
		content, err := f.Open()
		if err == nil {
			err = errors.Join(unpack(dir, f.Name, content, f.Mode()), content.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func unpack(dir, name string, content io.Reader, mode fs.FileMode) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the archive", name)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

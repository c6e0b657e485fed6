;; Makes the system call that the request's first byte names. Answers with its error number, four bytes, and what it
;; gave. Where a call takes a file descriptor, it is the second byte.
(module
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $loaded (mut i64) (i64.const 0))

  (func (export "_initialize")
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 512)))
    (global.set $loaded (i64.load (i32.const 512))))

  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))

  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param $out i32) (param i32 i32) (result i32)
    (local $what i32) (local $fd i32) (local $errno i32) (local $to i32)
    (local.set $what (i32.load8_u (local.get $req)))
    (local.set $fd (i32.load8_u offset=1 (local.get $req)))
    (local.set $to (i32.add (local.get $out) (i32.const 4)))
    ;; One buffer for fd_read and fd_write: the request from its third byte on.
    (i32.store (i32.const 16) (i32.add (local.get $req) (i32.const 2)))
    (i32.store (i32.const 20) (i32.sub (local.get $len) (i32.const 2)))
    (local.set $errno (i32.const -1))

    (if (i32.eq (local.get $what) (i32.const 0x61)) (then ;; a: the sizes of arguments and environment, and 0xffff first
      (i32.store (local.get $to) (i32.const -1)) (i32.store offset=4 (local.get $to) (i32.const -1))
      (i32.store offset=8 (local.get $to) (i32.const -1)) (i32.store offset=12 (local.get $to) (i32.const -1))
      (local.set $errno (i32.or (call $args_get (i32.const 0) (i32.const 0))
        (i32.or (call $args_sizes_get (local.get $to) (i32.add (local.get $to) (i32.const 4)))
          (call $environ_sizes_get (i32.add (local.get $to) (i32.const 8)) (i32.add (local.get $to) (i32.const 12))))))))
    (if (i32.eq (local.get $what) (i32.const 0x63)) (then ;; c: the clock of that id, and when it was loaded
      (i64.store offset=8 (local.get $to) (global.get $loaded))
      (local.set $errno (call $clock_time_get (local.get $fd) (i64.const 1) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x67)) (then ;; g: the resolution of that clock
      (local.set $errno (call $clock_res_get (local.get $fd) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x72)) (then ;; r: 16 random bytes
      (local.set $errno (call $random_get (local.get $to) (i32.const 16)))))
    (if (i32.eq (local.get $what) (i32.const 0x52)) (then ;; R: too many of them
      (local.set $errno (call $random_get (i32.const 0) (i32.const 0x7fffffff)))))
    (if (i32.eq (local.get $what) (i32.const 0x79)) (then ;; y
      (local.set $errno (call $sched_yield))))
    (if (i32.eq (local.get $what) (i32.const 0x77)) (then ;; w: how many bytes were written
      (local.set $errno (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x57)) (then ;; W: more buffers than there may be
      (local.set $errno (call $fd_write (local.get $fd) (i32.const 16) (i32.const 0x10000000) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x56)) (then ;; V: a buffer outside the memory
      (i32.store (i32.const 16) (i32.const 0x7fffffff))
      (local.set $errno (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x64)) (then ;; d: how many bytes were read
      (local.set $errno (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x73)) (then ;; s: fdstat, 24 bytes
      (memory.fill (local.get $to) (i32.const 255) (i32.const 24))
      (local.set $errno (call $fd_fdstat_get (local.get $fd) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x6e)) (then ;; n: a preopened directory
      (local.set $errno (call $fd_prestat_get (local.get $fd) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x6b)) (then ;; k
      (local.set $errno (call $fd_close (local.get $fd)))))
    (if (i32.eq (local.get $what) (i32.const 0x6c)) (then ;; l
      (local.set $errno (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 0) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x6f)) (then ;; o
      (local.set $errno (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i64.const 0) (i64.const 0) (i32.const 0) (local.get $to)))))
    (if (i32.eq (local.get $what) (i32.const 0x70)) (then ;; p: one subscription, from the 9th byte on; the count, then events
      (local.set $errno (call $poll_oneoff (i32.add (local.get $req) (i32.const 8))
        (i32.add (local.get $to) (i32.const 4)) (i32.load8_u offset=1 (local.get $req)) (local.get $to)))))

    (i32.store (local.get $out) (local.get $errno))
    (i32.const 256)))

;; A command: no export of the ABI. Prints what it reads from its standard input, in pieces, and ends with the code that the
;; first digit says; "r" returns from _start, "u" traps, "e" prints to standard error, "b" prints all of it 9 times.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (global $runs (mut i32) (i32.const 0x30))

  (func $write (param $fd i32) (param $len i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (local.get $len))
    (drop (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 8))))

  (func $main (export "_start")
    (local $first i32) (local $total i32) (local $n i32) (local $again i32)
    (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
    ;; Read until there is no more, 1000 bytes at a time.
    (block $end
      (loop $more
        (i32.store (i32.const 16) (i32.add (i32.const 1024) (local.get $total)))
        (i32.store (i32.const 20) (i32.const 1000))
        (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 8)))
        (local.set $n (i32.load (i32.const 8)))
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $total (i32.add (local.get $total) (local.get $n)))
        (br $more)))
    (local.set $first (i32.load8_u (i32.const 1024)))
    (if (i32.eq (local.get $first) (i32.const 0x75)) (then unreachable))
    (if (i32.eq (local.get $first) (i32.const 0x65)) (then (call $write (i32.const 2) (local.get $total))))
    (if (i32.eq (local.get $first) (i32.const 0x62)) (then
      (local.set $again (i32.const 8))
      (loop $print
        (call $write (i32.const 1) (local.get $total))
        (local.set $again (i32.sub (local.get $again) (i32.const 1)))
        (br_if $print (local.get $again)))))
    ;; The first byte of what it prints is how often it ran: always "1".
    (i32.store8 (i32.const 1024) (global.get $runs))
    (call $write (i32.const 1) (local.get $total))
    (if (i32.and (i32.ge_u (local.get $first) (i32.const 0x30)) (i32.le_u (local.get $first) (i32.const 0x39)))
      (then (call $exit (i32.sub (local.get $first) (i32.const 0x30)))))))

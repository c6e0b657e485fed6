;; The request's first byte says what goes wrong; any other than these is answered with the number of
;; datagrams that this instance was asked, a byte.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (type $nullary (func))
  (table 2 funcref)
  (elem (i32.const 0) $deeper)
  (global $asked (mut i32) (i32.const 0))
  (data (i32.const 16) "\20\00\00\00\18\00\00\00") ;; one buffer: 24 bytes at 32
  (data (i32.const 32) "thread panicked:\nat last")
  (data (i32.const 64) "a last word")

  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))

  (func $deeper (param $n i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get $n) (i32.const 1)))))

  (func $inner (param $what i32)
    (if (i32.eq (local.get $what) (i32.const 0x75)) (then unreachable))                                  ;; u
    (if (i32.eq (local.get $what) (i32.const 0x6f)) (then (drop (i32.load (i32.const 0x7fffffff)))))     ;; o
    (if (i32.eq (local.get $what) (i32.const 0x7a)) (then (drop (i32.div_u (i32.const 1) (i32.const 0))))) ;; z
    (if (i32.eq (local.get $what) (i32.const 0x66)) (then (drop (i32.trunc_f32_s (f32.const nan)))))     ;; f
    (if (i32.eq (local.get $what) (i32.const 0x64)) (then (drop (call $deeper (i32.const 0)))))          ;; d
    (if (i32.eq (local.get $what) (i32.const 0x74)) (then (call_indirect (type $nullary) (i32.const 0)))) ;; t
    (if (i32.eq (local.get $what) (i32.const 0x6e)) (then (call_indirect (type $nullary) (i32.const 1)))) ;; n
    (if (i32.eq (local.get $what) (i32.const 0x78)) (then (call $exit (i32.const 3))))                   ;; x
    (if (i32.eq (local.get $what) (i32.const 0x6c))                                                      ;; l
      (then (call $log (i32.const 0) (i32.const 0x7fffffff) (i32.const 2))))
    (if (i32.eq (local.get $what) (i32.const 0x70))                                                      ;; p
      (then
        (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)))
        unreachable))
    (if (i32.eq (local.get $what) (i32.const 0x77))                                                      ;; w
      (then
        (call $log (i32.const 8) (i32.const 64) (i32.const 11))
        unreachable)))

  (func $reply (export "retort_v1_reply") (param $req i32) (param $len i32) (param $out i32) (param i32 i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (call $inner (i32.load8_u (local.get $req)))
    (i32.store8 (local.get $out) (global.get $asked))
    (i32.const 1)))

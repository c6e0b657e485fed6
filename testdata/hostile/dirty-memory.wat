;; Writes to its memory and traps. Answers "dirty" when it finds anything of that afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 16)
  (data (i32.const 500000) "clean")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i64.ne (i64.load (i32.const 500000)) (i64.const 0x6e61656c63)) ;; "clean"
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5)))) ;; "dirty"
    (memory.fill (i32.const 262144) (i32.const 0xdd) (i32.const 700000))
    (i32.store (i32.const 0) (i32.const 1))
    unreachable))

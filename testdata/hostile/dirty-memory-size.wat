;; Grows its memory, writes to what it gained and traps. Answers "dirty" when it finds any of that afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i32.ne (memory.size) (i32.const 4))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (drop (memory.grow (i32.const 1)))
    (if (i32.load (i32.const 262144))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (i32.store (i32.const 262144) (i32.const 1))
    unreachable))

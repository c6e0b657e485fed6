;; Fills and copies with lengths of 4 GiB, which lie outside its memory: each traps before it does anything.
;; want: 8 faults (bounds)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (if (i32.and (i32.load8_u (local.get $req)) (i32.const 1))
      (then (memory.fill (i32.const 0) (i32.const 1) (i32.const 0xffffffff)))
      (else (memory.copy (i32.const 16) (i32.const 0) (i32.const 0xfffffff0))))
    (i32.const 0)))

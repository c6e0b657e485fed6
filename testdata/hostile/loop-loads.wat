;; Each load waits for the one before it: as slow as instructions are. The memory is 32 MiB of addresses that lead
;; from one to a far other.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 512)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (loop $next
      ;; What is there is zero, or what was written before; a multiplication scatters the rest.
      (local.set $at
        (i32.and
          (i32.add
            (i32.mul (local.get $at) (i32.const 1664525))
            (i32.add (i32.const 1013904223) (i32.load (local.get $at))))
          (i32.const 0x1fffffc)))
      (br $next))
    unreachable))

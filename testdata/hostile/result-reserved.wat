;; Returns numbers between -3 and -99, which mean nothing yet, both ends included.
;; want: 8 faults (result)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    ;; -3 for datagram 0, then steps of 13 down to -94; the last one -99.
    (if (i32.eq (i32.load8_u (local.get $req)) (i32.const 7)) (then (return (i32.const -99))))
    (i32.sub (i32.const -3) (i32.mul (i32.load8_u (local.get $req)) (i32.const 13)))))

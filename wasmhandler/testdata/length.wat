;; Answers "Your data was N bytes long".
(module
  (memory (export "memory") 4)
  (data (i32.const 16) "Your data was ")
  (data (i32.const 32) " bytes long")

  (func (export "retort_v1_window") (param $size i32) (result i32)
    (i32.const 65536))

  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param $meta i32) (result i32)
    (local $n i32) (local $digits i32) (local $at i32)
    (memory.copy (local.get $out) (i32.const 16) (i32.const 14))
    ;; How many digits?
    (local.set $n (local.get $len))
    (loop $count
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $count (local.get $n)))
    ;; From the last to the first.
    (local.set $at (i32.add (i32.add (local.get $out) (i32.const 14)) (local.get $digits)))
    (local.set $n (local.get $len))
    (loop $print
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $print (local.get $n)))
    (memory.copy
      (i32.add (i32.add (local.get $out) (i32.const 14)) (local.get $digits)) (i32.const 32) (i32.const 11))
    (i32.add (local.get $digits) (i32.const 25))))

;; Answers how many datagrams it has seen, this one included. To build it in this folder:
;; wat2wasm counter.wat -o counter.wasm

(module
  (memory (export "memory") 3)

  ;; Each worker of a server has an instance of its own, and so a count of its own.
  (global $seen (mut i64) (i64.const 0))

  ;; The window is what is left of the three pages behind the first 64 bytes, where the digits are made.
  (func (export "retort_v1_window") (param $size i32) (result i32)
    (select
      (i32.const 64)
      (i32.const 0) ;; refuse
      (i32.le_u (local.get $size) (i32.const 196544))))

  (func (export "retort_v1_reply")
    (param $req i32) (param $req_len i32) (param $out i32) (param $out_cap i32) (param $meta i32)
    (result i32)
    (local $rest i64)
    (local $at i32)
    (local $digits i32)

    (global.set $seen (i64.add (global.get $seen) (i64.const 1)))

    ;; The digits, last one first. 20 of them are the most.
    (local.set $rest (global.get $seen))
    (local.set $at (i32.const 20))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i64.store8 (local.get $at)
        (i64.add (i64.const 48) (i64.rem_u (local.get $rest) (i64.const 10)))) ;; '0' is 48
      (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $rest) (i64.const 0))))
    (local.set $digits (i32.sub (i32.const 20) (local.get $at)))

    ;; The code is the one of the SDKs for a reply without room.
    (if (i32.gt_u (local.get $digits) (local.get $out_cap))
      (then (return (i32.const -102))))
    (memory.copy (local.get $out) (local.get $at) (local.get $digits))
    (local.get $digits)))

;; Answers each datagram with how long it was. To build it in this folder:
;; wat2wasm length.wat -o length.wasm

(module
  ;; One page, 64 KiB, would not do: the window holds two datagrams of the largest size and a meta block.
  (memory (export "memory") 3)

  (data (i32.const 16) "Your data was ")
  (data (i32.const 32) " bytes long")

  ;; The window is what is left of the three pages behind the first 64 bytes.
  (func (export "retort_v1_window") (param $size i32) (result i32)
    (select
      (i32.const 64)
      (i32.const 0) ;; refuse
      (i32.le_u (local.get $size) (i32.const 196544))))

  (func (export "retort_v1_reply")
    (param $req i32) (param $req_len i32) (param $out i32) (param $out_cap i32) (param $meta i32)
    (result i32)
    (local $digits i32)
    (local $rest i32)
    (local $at i32)

    ;; How many digits does the length have?
    (local.set $rest (local.get $req_len))
    (loop $count
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $count (local.get $rest)))

    ;; 14 bytes before them, 11 behind. The code is the one of the SDKs for a reply without room.
    (if (i32.gt_u (i32.add (local.get $digits) (i32.const 25)) (local.get $out_cap))
      (then (return (i32.const -102))))

    (memory.copy (local.get $out) (i32.const 16) (i32.const 14))
    (local.set $at (i32.add (i32.add (local.get $out) (i32.const 14)) (local.get $digits)))
    (memory.copy (local.get $at) (i32.const 32) (i32.const 11))

    ;; The digits, last one first.
    (local.set $rest (local.get $req_len))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.rem_u (local.get $rest) (i32.const 10)))) ;; '0' is 48
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $digit (local.get $rest)))

    (i32.add (local.get $digits) (i32.const 25))))

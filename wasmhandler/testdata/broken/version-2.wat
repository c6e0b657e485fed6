;; want: it does not export retort_v1_window, retort_v1_reply; it exports retort_v2_reply, and this host speaks version 1
(module
  (memory (export "memory") 4)
  (func (export "retort_v2_reply"))
  (func (export "retort_v2_window")))

;; want: it does not export retort_v1_window, retort_v1_reply, memory
(module
  (memory 4))

package reply

// Reporter is a handler with something to say of what it does: handlers that send nothing count instead. Whoever runs
// one gives it somewhere to say so.
type Reporter interface {
	// ReportTo has line called with a line of text now and then, by any worker. It comes before ForWorker.
	ReportTo(line func(text string))
}

package ops

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

const (
	defaultEventWindow = time.Hour
	maxEventWindow     = 14 * 24 * time.Hour
)

// Operations.

// DescribeEvents lists the caller's events of a time window, the newest first.
func (o *operations) DescribeEvents(ctx context.Context, in *api.DescribeEventsInput) (*api.DescribeEventsOutput, error) {
	start, end, err := eventWindow(o.now(), in)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeEventsOutput{Events: []api.Event{}}
	err = o.Store.View(ctx, func(tx pgx.Tx) error {
		events, next, err := readPage(in.MaxRecords, in.Marker, eventKey, func(after string, size int32) ([]db.Event, error) {
			return listEvents(ctx, tx, in, start, end, after, size)
		})
		if err != nil {
			return err
		}
		out.Marker = next
		for _, e := range events {
			out.Events = append(out.Events, viewEvent(e))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Validation.

// eventWindow is StartTime to EndTime. Where one is missing, the window has Duration minutes (an
// hour, if none is given) and ends now or begins at StartTime.
func eventWindow(now time.Time, in *api.DescribeEventsInput) (start, end time.Time, err error) {
	window := defaultEventWindow
	if in.Duration != nil {
		window = time.Duration(*in.Duration) * time.Minute
		if window <= 0 || window > maxEventWindow {
			return start, end, api.InvalidParameterValue("Invalid value %d for Duration. Must be from 1 to %d minutes.",
				*in.Duration, int(maxEventWindow/time.Minute))
		}
	}
	end = now
	if in.EndTime != nil {
		end = *in.EndTime
	}
	start = end.Add(-window)
	if in.StartTime != nil {
		start = *in.StartTime
		if in.EndTime == nil && in.Duration != nil {
			end = start.Add(window)
		}
	}
	if start.After(end) {
		return start, end, api.InvalidParameterCombination("StartTime must not be after EndTime.")
	}
	return start, end, nil
}

// Rows.

// eventKey is the place of an event in the order of the list: time in microseconds, then id.
func eventKey(e db.Event) string { return fmt.Sprintf("%d %d", e.OccurredAt.UnixMicro(), e.EventID) }

func listEvents(ctx context.Context, tx pgx.Tx, in *api.DescribeEventsInput, start, end time.Time, after string, size int32) ([]db.Event, error) {
	p := db.EventListPageParams{
		StartAt: start, EndAt: end, PageSize: size,
		SourceType: api.Value(in.SourceType), SourceIdentifier: strings.ToLower(api.Value(in.SourceIdentifier)),
		BeforeAt: end.Add(time.Second), // after everything in the window
	}
	caller := api.CallerFrom(ctx)
	p.AccountID, p.Region = caller.Account, caller.Region
	if after != "" {
		micros, id, _ := strings.Cut(after, " ")
		at, atErr := strconv.ParseInt(micros, 10, 64)
		before, idErr := strconv.ParseInt(id, 10, 64)
		if atErr != nil || idErr != nil {
			return nil, api.InvalidParameterValue("The marker is not valid.")
		}
		p.BeforeAt, p.BeforeID = time.UnixMicro(at), before
	}
	events, err := store.Q.EventListPage(ctx, tx, p)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

// View.

func viewEvent(e db.Event) api.Event {
	return api.Event{SourceIdentifier: &e.SourceIdentifier, SourceType: &e.SourceType, Message: &e.Message, Date: new(e.OccurredAt.UTC())}
}

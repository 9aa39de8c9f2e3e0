// turn ADDRESS          makes the namespace of a server that starts
// turn ADDRESS SHAPE    a turn (../README.md): worker and client in this process
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	name    = "bench" // of the namespace and of the task queue
	pollers = 8
	callers = 8
	atMost  = 10 * time.Minute
)

type turn struct {
	Tasks      int          `json:"tasks"`
	Seconds    float64      `json:"seconds"`
	CPUSeconds float64      `json:"cpu_seconds"`
	Times      [][2]float64 `json:"times,omitempty"`
}

func noop(context.Context) error { return nil }

// graph runs a task for each element of needs, which lists the tasks that it needs, by index.
func graph(ctx workflow.Context, needs [][]int) error {
	tasks := make([]workflow.Future, len(needs))
	waits := make([]int, len(needs))
	neededBy := make([][]int, len(needs))
	for i, upstreams := range needs {
		waits[i] = len(upstreams)
		for _, upstream := range upstreams {
			neededBy[upstream] = append(neededBy[upstream], i)
		}
	}
	var start func(ctx workflow.Context, i int)
	start = func(ctx workflow.Context, i int) {
		tasks[i] = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			ActivityID:          strconv.Itoa(i),
			StartToCloseTimeout: atMost,
		}), noop)
		if len(neededBy[i]) == 0 {
			return // no coroutine for what nothing waits for: each costs at every step
		}
		workflow.Go(ctx, func(ctx workflow.Context) {
			_ = tasks[i].Get(ctx, nil)
			for _, next := range neededBy[i] {
				if waits[next]--; waits[next] == 0 {
					start(ctx, next)
				}
			}
		})
	}
	for i := range needs {
		if len(needs[i]) == 0 {
			start(ctx, i)
		}
	}
	for i := range needs {
		if err := workflow.Await(ctx, func() bool { return tasks[i] != nil }); err != nil {
			return err
		}
		if err := tasks[i].Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// As ../shapes.py, and how many runs.
func parse(shape string) ([][]int, int, error) {
	kind, count, _ := strings.Cut(shape, ":")
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, 0, err
	}
	switch kind {
	case "single":
		return make([][]int, 1), n, nil
	case "wide":
		return make([][]int, n), 1, nil
	case "chain":
		needs := make([][]int, n)
		for i := 1; i < n; i++ {
			needs[i] = []int{i - 1}
		}
		return needs, 1, nil
	case "layered":
		needs := make([][]int, n*n)
		for i := n; i < n*n; i++ {
			for d := range 3 {
				needs[i] = append(needs[i], (i/n-1)*n+(i%n+d)%n)
			}
		}
		return needs, 1, nil
	}
	return nil, 0, errors.New("no such shape: " + shape)
}

// ask starts the runs turn-0, turn-1 and so on.
func ask(ctx context.Context, c client.Client, turn string, needs [][]int, runs int) error {
	ids := make(chan string, runs)
	for i := range runs {
		ids <- fmt.Sprint(turn, "-", i)
	}
	close(ids)
	failed := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for id := range ids {
				_, err := c.ExecuteWorkflow(ctx,
					client.StartWorkflowOptions{ID: id, TaskQueue: name, EnableEagerStart: true}, graph, needs)
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

// lastEnd waits until so many runs have completed since begin: when the last one did.
func lastEnd(ctx context.Context, c client.Client, begin time.Time, runs int) (time.Time, error) {
	query := fmt.Sprintf("StartTime >= '%s' AND ExecutionStatus = 'Completed'",
		begin.UTC().Format(time.RFC3339Nano))
	for {
		count, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return begin, err
		}
		if count.Count >= int64(runs) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	// The first is what closed last.
	list, err := c.ListWorkflow(ctx,
		&workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1})
	if err != nil {
		return begin, err
	}
	return list.Executions[0].CloseTime.AsTime(), nil
}

// times reads start and end of each task of a run from its history.
func times(ctx context.Context, c client.Client, id string, count int) ([][2]float64, error) {
	result := make([][2]float64, count)
	task := map[int64]int{}
	for history := c.GetWorkflowHistory(ctx, id, "", false,
		enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); {
		event, err := history.Next()
		if err != nil {
			return nil, err
		}
		at := float64(event.EventTime.AsTime().UnixNano()) / 1e9
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			if task[event.EventId], err = strconv.Atoi(scheduled.ActivityId); err != nil {
				return nil, err
			}
		} else if started := event.GetActivityTaskStartedEventAttributes(); started != nil {
			result[task[started.ScheduledEventId]][0] = at
		} else if done := event.GetActivityTaskCompletedEventAttributes(); done != nil {
			result[task[done.ScheduledEventId]][1] = at
		}
	}
	for i := range result {
		if result[i][0] == 0 || result[i][1] == 0 {
			return nil, fmt.Errorf("task %d has no record", i)
		}
	}
	return result, nil
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func measure(ctx context.Context, c client.Client, shape string) (*turn, error) {
	needs, runs, err := parse(shape)
	if err != nil {
		return nil, err
	}
	w := worker.New(c, name, worker.Options{
		MaxConcurrentActivityExecutionSize:     4096,
		MaxConcurrentWorkflowTaskExecutionSize: 4096,
		MaxConcurrentActivityTaskPollers:       pollers,
		MaxConcurrentWorkflowTaskPollers:       pollers,
	})
	w.RegisterWorkflow(graph)
	w.RegisterActivity(noop)
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer w.Stop()
	time.Sleep(time.Second) // until its polls wait

	begin, cpu := time.Now(), cpuSeconds()
	turnID := strconv.FormatInt(begin.UnixNano(), 10)
	if err := ask(ctx, c, turnID, needs, runs); err != nil {
		return nil, err
	}
	end, err := lastEnd(ctx, c, begin, runs)
	if err != nil {
		return nil, err
	}
	result := &turn{Tasks: runs * len(needs), CPUSeconds: cpuSeconds() - cpu}
	if runs == 1 {
		if result.Times, err = times(ctx, c, turnID+"-0", len(needs)); err != nil {
			return nil, err
		}
		last := 0.0
		for _, task := range result.Times {
			last = max(last, task[1])
		}
		end = time.UnixMicro(int64(last * 1e6))
	}
	result.Seconds = end.Sub(begin).Seconds()
	return result, nil
}

// makeNamespace returns nil when it can be used, some seconds after it was made.
func makeNamespace(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        name,
		WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	var exists *serviceerror.NamespaceAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return err
	}
	_, err = c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{})
	return err
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	c, err := client.Dial(client.Options{
		HostPort:  os.Args[1],
		Namespace: name,
		Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr,
			&slog.HandlerOptions{Level: slog.LevelWarn}))),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if len(os.Args) == 2 {
		return makeNamespace(ctx, c)
	}
	result, err := measure(ctx, c, os.Args[2])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

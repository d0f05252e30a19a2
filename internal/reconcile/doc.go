// Package reconcile brings what runs to what is desired.
//
// For each kind of resource a pure function plan(state) says what to do next, from the rows that
// hold the desired state and from what the agents observed, and from nothing else: no memory of
// earlier runs, no clock but the time it is given. The executor (Reconciler) locks the owner's row,
// loads the state, applies the planned steps, plans again until nothing is left to do, and commits
// all of it as one transaction. It may die between any two transactions.
//
// The life of a replication group:
//
//	creating ──▶ available ──▶ deleting ──▶ (gone)
//	    │           ▲  │ TestFailover: the status stays; node_groups.failover_* say how far it is
//	    ▼           └──┘
//	create-failed ──▶ deleting
//
// What must stay true:
//   - A plan that is made again on the state that it led to is empty.
//   - At one shard epoch a shard has one primary; the epoch rises with each change of it.
//   - Specs are functions of the desired rows. Whoever wants a node to change changes the rows.
package reconcile

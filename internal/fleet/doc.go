// Package fleet is the control plane's side of the agents: the certificate authority and the join
// tokens that let an agent in, the session server that streams desired specs to agents and writes
// what they observe, placement, addresses, and the rows of nodes, endpoints and cluster maps.
//
// Reconcilers call the functions that take a transaction (Place, AllocateAddresses, PutNodes, …):
// they change desired state and tell the agents concerned with NOTIFY in that same transaction. The
// Server is the other half: it reads desired state, and writes observed state and the jobs that
// observed changes call for. The tables are the truth; a lost notification only costs a moment.
package fleet

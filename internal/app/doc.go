// Package app wires the parts of Elastane into programs: the control plane (serve), the node agent
// (agent), and everything on one machine (dev). A part is a Unit; a program is a Stack of units that
// starts in order and stops in the opposite order.
package app

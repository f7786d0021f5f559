"""A relay in several processes: fronts of a home relay, tunnel processes of an entry relay.

pipe        messages between the relay's main process and one of its children
child       what a child is told, and how it lives: never longer than the main process
children    the main process's side: starts children, starts them again, ends them
front       a child that terminates TLS and WebSocket for the home
fronts      the home's side of it: connections that another process holds
tunnels     a child that carries tunnels for the entry
places      the entry's side of it: who may come in is counted over all children together
"""

"""The routes: one file a kind of resource, found by discovery.

A module has a function ``router(service)``, which returns a `fastapi.APIRouter`. Every route needs
at least the scope "read"; one that changes something asks for more by
``dependencies=[needs("write")]`` (`augury.service.auth.needs`). Where all routes of a module are
for everybody, the module says ``PUBLIC = True``. What goes wrong is raised as a
`augury.service.problems.Problem`, or as an `augury.AuguryError`.
"""

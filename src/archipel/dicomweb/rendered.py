from archipel.kit.errors import Invalid
def retrieve(*a, **k): raise Invalid("no", code="x")

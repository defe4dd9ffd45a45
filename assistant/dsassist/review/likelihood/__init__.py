"""The likelihood reviewer: is an alternative far likelier to the model than what is written?"""
